"""`int8-static` on a feed-forward layer made by hand: what becomes of each product, and of what reads one token."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import graphs as made
from shortlist.export import first_token_only, graphs
from shortlist.export.quantization import int8_range
from shortlist.export.quantization.static import StaticQuantizer

WORDS, WIDTH = 50, 32
TOLERANCE = 2.5 / int8_range.WEIGHT  # of the largest value: so many steps are to either side


@pytest.fixture
def given() -> list[dict[str, np.ndarray]]:
    """Return texts of many lengths."""
    drawn = np.random.default_rng(1)
    return [{"input_ids": drawn.integers(0, WORDS, (1, length))} for length in range(2, 40)]


def layer(*, opset: int = 18, first: bool = False, bias: bool = True) -> onnx.ModelProto:
    """Make a layer that widens, activates, narrows and adds its input.

    Args:
        opset: of its operators.
        first: whether it ends in the first token.
        bias: whether its products have biases.
    """
    drawn = np.random.default_rng(0)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(drawn.normal(size=shape).astype(np.float32), name)

    constants = [constant("table", WORDS, WIDTH), constant("up", WIDTH, 64), constant("down", 64, WIDTH)]
    constants += [constant("up_bias", 64), constant("down_bias", WIDTH), numpy_helper.from_array(np.array(0), "zero")]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "up"], ["wide"]),
        helper.make_node("Add", ["up_bias", "wide"], ["wide_sum"]) if bias else copied("wide", "wide_sum"),
        helper.make_node("Relu", ["wide_sum"], ["active"]),
        helper.make_node("MatMul", ["active", "down"], ["narrow"]),
        helper.make_node("Add", ["narrow", "down_bias"], ["narrow_sum"]) if bias else copied("narrow", "narrow_sum"),
        helper.make_node("Add", ["narrow_sum", "hidden"], ["sum"]),
        helper.make_node("Gather", ["sum", "zero"], ["out"], axis=1) if first else copied("sum", "out"),
    ]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, None])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None] * (2 if first else 3))],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def copied(source: str, target: str) -> onnx.NodeProto:
    """Return a node that gives a tensor another name."""
    return helper.make_node("Identity", [source], [target])


def run(path: Path, given: list[dict[str, np.ndarray]]) -> list[np.ndarray]:
    """Return what a graph makes of each text."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [session.run(None, feeds)[0] for feeds in given]


def both(model: onnx.ModelProto, given, folder: Path, keep=()) -> tuple[Path, Path]:
    """Write a graph and what is made of it."""
    source, target = made.save(model, folder / "fp32.onnx"), folder / "int8-static.onnx"
    quantizer = StaticQuantizer(source, given, folder)
    quantizer.write(target, {one.name for one in quantizer.products} if keep == "all" else keep)
    return source, target


def operators(path: Path) -> Counter[str]:
    """Count a graph's operators."""
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("opset", [11, 18])
@pytest.mark.parametrize("bias", [True, False])
def test_it_computes_nearly_the_same(given, tmp_path: Path, opset: int, bias: bool):
    """Within int8's steps the graph computes what it did, also one in an opset that has no scales by column."""
    source, target = both(layer(opset=opset, bias=bias), given, tmp_path)
    for expected, found in zip(run(source, given), run(target, given), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def test_what_narrows_keeps_fp32_activations(given, tmp_path: Path):
    """Both products have int8 weights, and only what goes into the first has a fixed scale."""
    _, target = both(layer(), given, tmp_path)
    found = operators(target)
    assert (found["QuantizeLinear"], found["DequantizeLinear"]) == (1, 3)
    weights = {tensor.name: tensor.data_type for tensor in onnx.load(target).graph.initializer}
    assert [weights[f"{name}/int8/weight"] for name in ("wide", "narrow")] == [TensorProto.INT8] * 2
    assert not {"up", "down"} & weights.keys()


def test_the_mean_error_goes_into_the_bias(given, tmp_path: Path):
    """Over the calibration texts a product's mean is what it was; without a bias it is off."""
    off = []
    for bias in (True, False):
        folder = tmp_path / str(bias)
        folder.mkdir()
        source, target = both(layer(bias=bias), given, folder)
        values = []
        for path in (source, target):
            model = graphs.load(path)
            model.graph.output[0].name = "wide_sum"
            values.append(
                np.concatenate(run(made.save(model, folder / "wide.onnx"), given), axis=1).mean(axis=(0, 1))
            )
        off.append(np.abs(values[0] - values[1]).max())
    assert off[0] < off[1] / 5


def test_a_text_does_not_depend_on_others(given, tmp_path: Path):
    """A text comes out the same alone and beside one with values far beyond its own."""
    model = layer()
    table = numpy_helper.to_array(model.graph.initializer[0]).copy()
    table[0] *= 100
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
    _, target = both(model, given, tmp_path)
    text = np.arange(1, 9)[None]
    ((alone,), (together,)) = (
        run(target, [{"input_ids": text}]),
        run(target, [{"input_ids": np.concatenate([text, np.zeros_like(text)])}]),
    )
    np.testing.assert_allclose(together[:1], alone, rtol=1e-5)


def test_products_that_are_kept(given, tmp_path: Path):
    """With every product left out, the graph computes what it did to the last bit."""
    source, target = both(layer(), given, tmp_path, keep="all")
    for expected, found in zip(run(source, given), run(target, given), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_nothing_to_quantize(given, tmp_path: Path):
    """A graph without products stays what it is, and the precision says so."""
    source = made.save(made.encoder(), tmp_path / "fp32.onnx")
    quantizer = StaticQuantizer(source, given, tmp_path)
    quantizer.write(tmp_path / "int8-static.onnx")
    assert (quantizer.products, quantizer.precision) == ([], "fp32, nothing to quantize")
    assert operators(tmp_path / "int8-static.onnx") == operators(source)


def test_a_head_s_product_stays(given, tmp_path: Path):
    """What has one row a text, behind the first token, is no part of the time and stays fp32."""
    model = layer(first=True)
    model.graph.node[-1].output[0] = "one"
    model.graph.initializer.append(numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "head"))
    model.graph.node.append(helper.make_node("MatMul", ["one", "head"], ["out"]))
    quantizer = StaticQuantizer(made.save(model, tmp_path / "fp32.onnx"), given, tmp_path)
    assert [product.name for product in quantizer.products] == ["wide", "narrow"]


def test_the_first_token_alone(given, tmp_path: Path):
    """Where only the first token is read, the layer runs for it alone, with the same result."""
    model = layer(first=True)
    source = made.save(model, tmp_path / "fp32.onnx")
    first_token_only.narrow(model)
    narrowed = made.save(model, tmp_path / "narrowed.onnx")
    np.testing.assert_allclose(
        np.concatenate(run(narrowed, given)), np.concatenate(run(source, given)), rtol=1e-6, atol=1e-5
    )
    assert operators(narrowed)["Slice"] == 1  # of the words' vectors, before both products and the sum
    model.graph.output[0].name = "wide"
    model.graph.output[0].type.CopyFrom(onnx.TypeProto())
    assert run(made.save(model, tmp_path / "wide.onnx"), given)[5].shape == (1, 1, 64)


def test_more_than_the_first_token_is_read():
    """A layer whose tokens are all read, or whose second token is, stays whole."""
    second = layer(first=True)
    second.graph.initializer[-1].CopyFrom(numpy_helper.from_array(np.array(1), "zero"))
    for model in (layer(), second):
        before = model.SerializeToString()
        first_token_only.narrow(model)
        assert model.SerializeToString() == before


def test_what_is_read_elsewhere_too(given, tmp_path: Path):
    """A tensor that something else reads whole is not cut, only what hangs on the first token."""
    model = layer(first=True)
    model.graph.output.append(helper.make_tensor_value_info("active", TensorProto.FLOAT, [None, None, 64]))
    source = made.save(model, tmp_path / "fp32.onnx")
    first_token_only.narrow(model)
    narrowed = made.save(model, tmp_path / "narrowed.onnx")
    sessions = [ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in (source, narrowed)]
    for (out, active), (cut, whole) in ([session.run(None, feeds) for session in sessions] for feeds in given):
        np.testing.assert_allclose(cut, out, rtol=1e-6, atol=1e-5)
        np.testing.assert_array_equal(whole, active)
