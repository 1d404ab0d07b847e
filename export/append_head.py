"""ONNX nodes behind a graph that somebody else exported: what leads from its last layer to the last number.

The formulas are those of `heads.py`, which the result is held against. An operator is used in a form that every opset
from 11 on has, or in the form of the graph's own opset.
"""

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from shortlist.server.runtime.manifest import OUTPUT

from . import heads
from .modules import Pooling

_AXES_ARE_INPUTS = {"ReduceSum": 13, "ReduceMax": 18, "ReduceL2": 18}  # since this opset; attributes before
TYPES = "token_type_ids"
_SMALLEST_LENGTH = 1e-12  # as in torch.nn.functional.normalize


def end_in_embedding(model: onnx.ModelProto, value: str, pooling: Pooling | None, steps: nn.Sequential) -> None:
    """Make `embedding`, float32 [batch, dimensions], a graph's only output.

    Args:
        model: the graph, which is changed.
        value: its output to start from: [batch, sequence, width], or [batch, width] where it is pooled already.
        pooling: how the tokens' vectors become one; None where they are.
        steps: what follows the pooling, as `model.steps` has loaded it.
    """
    nodes = _Nodes(model)
    found = value if pooling is None else _pooled(nodes, value, pooling)
    for step in steps:
        match step:
            case heads.Normalize():
                found = _normalized(nodes, found)
            case heads.Truncate():
                ends = ([0], [step.dimensions], [1])  # start, end, axis
                found = nodes.add("Slice", found, *(nodes.constant(end) for end in ends))
            case _:
                found = _dense(nodes, found, step)
    nodes.end(found, OUTPUT["embedder"], 2)


def end_in_logit(model: onnx.ModelProto, logits: str, positive: int, negative: int | None) -> None:
    """Make `logit`, float32 [batch], a graph's only output: one label's logit, or the difference of two."""
    nodes = _Nodes(model)
    found = nodes.add("Gather", logits, nodes.constant(positive), axis=1)
    if negative is not None:
        found = nodes.add("Sub", found, nodes.add("Gather", logits, nodes.constant(negative), axis=1))
    nodes.end(found, OUTPUT["reranker"], 1)


def begin_without_types(model: onnx.ModelProto) -> None:
    """Make every token one of the first text, and take `token_type_ids` off a graph's inputs."""
    nodes = _Nodes(model)
    zeros = nodes.add(
        "ConstantOfShape", nodes.add("Shape", "input_ids"), value=numpy_helper.from_array(np.zeros(1, np.int64))
    )
    made = [model.graph.node.pop() for _ in range(2)]
    for node in made:
        model.graph.node.insert(0, node)
    kept = [entry for entry in model.graph.input if entry.name != TYPES]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == TYPES:
                node.input[place] = zeros


class _Nodes:
    """The nodes and constants that are added to a graph, under names of their own."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._opset = opset(model)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return its output's name."""
        name = f"shortlist/{operator}_{len(self._graph.node)}"
        self._graph.node.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def constant(self, value: NDArray[Any] | int | list[int]) -> str:
        """Add a constant, int64 unless it is an array, and return its name."""
        array = value if isinstance(value, np.ndarray) else np.array(value, np.int64)
        name = f"shortlist/constant_{len(self._graph.initializer)}"
        self._graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def scalar(self, value: float) -> str:
        """Add a float32 constant and return its name."""
        return self.constant(np.array(value, np.float32))

    def reduce(self, operator: str, value: str, *, keepdims: int) -> str:
        """Reduce axis 1."""
        if self._opset >= _AXES_ARE_INPUTS[operator]:
            return self.add(operator, value, self.constant([1]), keepdims=keepdims)
        return self.add(operator, value, axes=[1], keepdims=keepdims)

    def end(self, value: str, name: str, rank: int) -> None:
        """Make a value the graph's only output, under that name."""
        self._graph.node.append(helper.make_node("Identity", [value], [name], f"shortlist/{name}"))
        del self._graph.output[:]
        self._graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank))


def opset(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators in a graph."""
    return max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)


def _pooled(nodes: _Nodes, tokens: str, pooling: Pooling) -> str:
    if pooling == "cls":
        return nodes.add("Gather", tokens, nodes.constant(0), axis=1)
    column = nodes.add("Reshape", "attention_mask", nodes.constant([0, -1, 1]))  # [batch, sequence, 1]
    if pooling == "max":
        least = nodes.scalar(-math.inf)
        shown = nodes.add("Where", nodes.add("Cast", column, to=TensorProto.BOOL), tokens, least)
        return nodes.reduce("ReduceMax", shown, keepdims=0)
    mask = nodes.add("Cast", column, to=TensorProto.FLOAT)
    total = nodes.reduce("ReduceSum", nodes.add("Mul", tokens, mask), keepdims=0)
    # Every text has its special tokens, so the count is never 0.
    return nodes.add("Div", total, nodes.reduce("ReduceSum", mask, keepdims=0))


def _normalized(nodes: _Nodes, vectors: str) -> str:
    lengths = nodes.reduce("ReduceL2", vectors, keepdims=1)
    return nodes.add("Div", vectors, nodes.add("Max", lengths, nodes.scalar(_SMALLEST_LENGTH)))


def _dense(nodes: _Nodes, vectors: str, step: nn.Module) -> str:
    linear, activation = step.children()
    weights = {name: tensor.numpy() for name, tensor in linear.state_dict().items()}
    found = nodes.add("MatMul", vectors, nodes.constant(np.ascontiguousarray(weights["weight"].T)))
    if "bias" in weights:
        found = nodes.add("Add", found, nodes.constant(weights["bias"]))
    match type(activation).__name__:
        case "Identity":
            return found
        case "Tanh" | "Sigmoid" as operator:
            return nodes.add(operator, found)
        case "ReLU":
            return nodes.add("Relu", found)
        case "SiLU":
            return nodes.add("Mul", found, nodes.add("Sigmoid", found))
        case "GELU":
            erf = nodes.add("Erf", nodes.add("Mul", found, nodes.scalar(math.sqrt(0.5))))
            half = nodes.add("Mul", found, nodes.scalar(0.5))
            return nodes.add("Mul", half, nodes.add("Add", erf, nodes.scalar(1.0)))
        case other:
            raise AssertionError(f"model.steps lets no {other} through")
