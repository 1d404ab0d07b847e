"""Products of small graphs made by hand: which are found, and rows of zeros in front of one."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shortlist.export import graphs, inference
from shortlist.export.errors import ExportError
from shortlist.export.quantization import products
from shortlist.export.quantization.token_scaled import Fitting, Quantizer

TOKENS = -1.0  # what one scale for all tokens may cost: one a token wherever it can be
WORDS, WIDTH, COLUMNS = 64, 16, 8
ZERO = 0  # the word whose vector is all zeros


def product_of_words(path: Path, opset: int, *, positive: bool) -> Path:
    """Write a graph that looks up words and multiplies their vectors, of which one is zero."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(WORDS, WIDTH)).astype(np.float32)
    if positive:
        table = np.abs(table)
    table[ZERO] = 0
    weight = rng.normal(size=(WIDTH, COLUMNS)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["words"]),
            helper.make_node("MatMul", ["words", "weight"], ["embedding"]),
        ],
        "words",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, None])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [None, None, COLUMNS])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(weight, "weight")],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("positive", [False, True])
def test_a_row_of_zeros_stays_zeros(tmp_path: Path, opset: int, *, positive: bool):
    """A row without a largest value is divided by no zero, whether signs count or not and in either form of opset."""
    source = product_of_words(tmp_path / "source.onnx", opset, positive=positive)
    given = [{"input_ids": np.arange(start, start + 8).reshape(1, -1)} for start in range(0, WORDS, 8)]
    Quantizer(Fitting(source, given, tmp_path), TOKENS).write(tmp_path / "made.onnx")
    kinds = [node.op_type for node in graphs.load(tmp_path / "made.onnx").graph.node]
    assert ("Abs" in kinds) == (not positive)
    sessions = [inference.session(tmp_path / name) for name in ("source.onnx", "made.onnx")]
    expected, found = (session.run("embedding", {"input_ids": np.array([[ZERO, 5]])}) for session in sessions)
    np.testing.assert_array_equal(np.zeros(COLUMNS), found[0, 0])
    cosine = expected[0, 1] @ found[0, 1] / np.linalg.norm(expected[0, 1]) / np.linalg.norm(found[0, 1])
    assert cosine > 0.99


def test_products_with_weights_of_their_own_are_found():
    """Two tensors multiplied, weights in half precision or of three axes, and an attention without bias are none."""
    constants = [
        numpy_helper.from_array(np.ones((2, 2), np.float32), "square"),
        numpy_helper.from_array(np.ones((1, 2, 2), np.float32), "stacked"),
        numpy_helper.from_array(np.ones((2, 2), np.float16), "half"),
        numpy_helper.from_array(np.ones((2, 6), np.float32), "qkv"),
        numpy_helper.from_array(np.ones(6, np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", name], [f"by_{name}"]) for name in ("square", "stacked", "half", "computed")
    ]
    for name, inputs in {
        "attention": ["x", "qkv", "bias", "mask"],
        "attention_without_bias": ["x", "qkv", "", "mask"],
        "attention_without_mask": ["x", "qkv", "bias"],
        "attention_with_past": ["x", "qkv", "bias", "mask", "past"],
    }.items():
        nodes.append(helper.make_node("Attention", inputs, [name], domain="com.microsoft", num_heads=1))
    model = helper.make_model(helper.make_graph(nodes, "products", [], [], constants))
    found = products.find(model)
    assert [(product.name, product.fused) for product in found] == [
        ("by_square", False),
        ("attention", True),
        ("attention_without_mask", True),
    ]


def test_a_graph_without_products_is_refused(tmp_path: Path):
    """Where there is nothing to quantize, the message says so, and how to go on."""
    source = product_of_words(tmp_path / "source.onnx", 18, positive=False)
    model = graphs.load(source)
    model.graph.node[1].CopyFrom(helper.make_node("MatMul", ["words", "computed"], ["embedding"]))
    model.graph.node.insert(1, helper.make_node("Identity", ["weight"], ["computed"]))
    graphs.save(model, source)
    with pytest.raises(ExportError, match="no matrix product with weights to quantize"):
        Fitting(source, [{"input_ids": np.array([[1, 2]])}], tmp_path)
