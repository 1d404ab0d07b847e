"""The matrix products of a graph that can be quantized, and a graph in which products are replaced."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from shortlist.export import graphs

from . import int8_range

Floats = NDArray[np.float32]

_BIAS = 2  # of an attention's inputs
_ATTENTION_INPUTS = 4  # data, weight, bias, mask: what QAttention has too
_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class Product:
    """One matrix product of the graph with constant weights."""

    name: str  # its output's
    fused: bool  # an attention's, else a plain one
    data: str
    weight: Floats  # float32 [width, columns]

    @property
    def label(self) -> str:
        """Name it for people."""
        parts = [part for part in self.name.split("/") if part and not part.startswith(("body", "MatMul", "Reshape"))]
        return "/".join(parts[-4:])


def find(model: onnx.ModelProto) -> list[Product]:
    """Return the products that can be quantized, in the graph's order."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        fused = node.op_type == "Attention" and not any(node.input[_ATTENTION_INPUTS:])
        if fused and (len(node.input) <= _BIAS or node.input[_BIAS] not in weights):
            continue  # QAttention has no form without a bias
        if (fused or node.op_type == "MatMul") and node.input[1] in weights:
            weight = weights[node.input[1]]
            if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) == 2:  # noqa: PLR2004 (a matrix)
                found.append(Product(node.output[0], fused, node.input[0], numpy_helper.to_array(weight)))
    return found


def normalized(factors: Floats) -> Floats:
    """Return factors of channels whose geometric mean is 1."""
    return np.asarray(factors / np.exp(np.log(factors).mean()), np.float32)


def grid(low: float, high: float) -> tuple[np.float32, int]:
    """Return step and zero point of uint8 over a range that holds 0."""
    step = np.float32(max(high - low, _SMALLEST) / int8_range.ACTIVATION)
    return step, int(np.clip(round(-low / float(step)), 0, int8_range.ACTIVATION))


def on_grid(values: Floats, step: np.float32, zero: int) -> Floats:
    """Return what uint8 leaves of values."""
    return np.asarray((np.clip(np.round(values / step) + zero, 0, int8_range.ACTIVATION) - zero) * step, np.float32)


class Fitted(Protocol):
    """A graph's products, fitted on calibration texts."""

    precision: str
    products: list[Product]

    def write(self, target: Path, keep: Collection[str] = ()) -> None:
        """Write the graph; the products named in `keep` stay fp32."""


class Surgery:
    """The replacement of nodes in a model, one at a time."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Take the model, which is changed by `finish`."""
        self.opset = graphs.opset(model)
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._graph = model.graph
        self._nodes = {node.output[0]: [node] for node in model.graph.node}
        self._order = [node.output[0] for node in model.graph.node]
        self._users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self._users[name].append(node)
        self._freed: set[str] = set()

    def node(self, output: str) -> onnx.NodeProto:
        """Return the node with this first output, as long as it was not replaced by several."""
        (found,) = self._nodes[output]
        return found

    def users(self, output: str) -> list[onnx.NodeProto]:
        """Return the nodes of the graph, as it was given, that read an output."""
        return self._users[output]

    def bias_behind(self, output: str) -> tuple[str, str] | None:
        """Return the output of the Add of a bias that is all that reads a product, and the bias."""
        users = self._users[output]
        if len(users) != 1 or users[0].op_type != "Add":
            return None
        (other,) = [name for name in users[0].input if name != output] or [""]
        is_bias = other in self.weights and len(self.weights[other].dims) == 1
        return (users[0].output[0], other) if is_bias else None

    def replace(self, output: str, new: Sequence[onnx.NodeProto]) -> None:
        """Put nodes, of which the last has this output, in the place of the one that had it."""
        self._freed.update(name for node in self._nodes[output] for name in node.input)
        self._nodes[output] = list(new)

    def add(self, new: list[onnx.NodeProto], kind: str, inputs: Sequence[str], output: str, **more: Any) -> str:
        """Append a node to a list, and return its output."""
        new.append(helper.make_node(kind, inputs, [output], output, **more))
        return output

    def constant(self, name: str, value: Any) -> str:
        """Add a constant, and return its name."""
        self._graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def finish(self) -> None:
        """Put the nodes in order and drop the weights that nothing uses any more."""
        nodes = [node for output in self._order for node in self._nodes[output]]
        used = {name for node in nodes for name in node.input}
        # What was not taken from a product stays: a branch's own graph may use it.
        unused = self._freed - used
        weights = [tensor for tensor in self._graph.initializer if tensor.name not in unused]
        del self._graph.node[:], self._graph.initializer[:], self._graph.value_info[:]
        self._graph.node.extend(nodes)
        self._graph.initializer.extend(weights)
