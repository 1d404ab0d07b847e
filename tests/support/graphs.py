"""Tiny ONNX graphs made by hand, which look like a published encoder or cross-encoder from outside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WORDS, WIDTH = 40, 6
INPUTS = ("input_ids", "attention_mask")


def table(seed: int = 0) -> np.ndarray:
    """Return one vector a word, float32 [words, width]."""
    return np.random.default_rng(seed).normal(size=(WORDS, WIDTH)).astype(np.float32)


def encoder(
    *,
    output: str = "last_hidden_state",
    inputs: Sequence[str] = INPUTS,
    opset: int = 17,
    kind: int = TensorProto.INT64,
    axes: Sequence[str | int] = ("batch", "sequence"),
    weights: int = TensorProto.FLOAT,
    operators: Sequence[str] = (),
) -> onnx.ModelProto:
    """Make a graph that looks words up in a table.

    Args:
        output: the name of [batch, sequence, width]; `logits` and `sentence_embedding` are of the first word alone.
        inputs: their names.
        opset: of ONNX's own operators.
        kind: the inputs' type.
        axes: the inputs' axes.
        weights: the table's type.
        operators: names of operators that are there without being right, to be found.
    """
    array = table().astype(helper.tensor_dtype_to_np_dtype(weights))
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["hidden"])]
    nodes += [helper.make_node(operator, ["hidden"], [f"extra_{operator}"]) for operator in operators]
    constants = [numpy_helper.from_array(array, "table"), numpy_helper.from_array(np.array(0), "first")]
    rank = 3
    if output in {"logits", "sentence_embedding"}:
        rank = 2
        nodes.append(helper.make_node("Gather", ["hidden", "first"], [output], axis=1))
    else:
        nodes.append(helper.make_node("Identity", ["hidden"], [output]))
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, kind, list(axes)) for name in inputs],
        [helper.make_tensor_value_info(output, weights, [*axes[: rank - 1], WIDTH])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a graph, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
