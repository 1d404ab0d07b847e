"""Where a model reads its first token only, the last layer computes only that: exact, an eighth of MiniLM-L6 saved.

A cross-encoder's head, and an embedder that pools by its first token, take one row of the last hidden states. All
that lies between the last attention and that row treats each token by itself, so the row can be cut out before it
instead of behind it. Found by the graph's operators, not by names.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from . import graphs

# What treats each token by itself, wherever its other inputs are constants or tokens' rows too.
_BY_ROW = {
    "Add",
    "Sub",
    "Mul",
    "Div",
    "LayerNormalization",
    "BiasGelu",
    "Gelu",
    "FastGelu",
    "Erf",
    "Tanh",
    "Relu",
    "Sigmoid",
    "Identity",
}
_TOKENS_AXIS = 1


def cut(source: Path, target: Path) -> bool:
    """Write a copy of a graph that cuts the first token out as early as possible.

    Returns:
        False, and nothing is written, where the model reads more than its first token, or nothing is gained.
    """
    model = graphs.load(source)
    if narrow(model):
        graphs.save(model, target)
        return True
    return False


def narrow(model: onnx.ModelProto) -> bool:
    """Do the same to a loaded graph; return whether anything changed."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
        elif node.op_type == "Identity" and node.input[0] in constants:  # how tracing shares equal weights
            constants[node.output[0]] = constants[node.input[0]]
    for reader in [node for node in model.graph.node if _reads_first(node, constants)]:
        rows = _by_row(model.graph, reader, constants)
        if any(node.op_type == "MatMul" for node in rows):
            _slice(model.graph, rows, constants)
            return True
    return False


def _reads_first(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    """Return whether a node takes the first token's row of [batch, tokens, width]."""
    if node.op_type != "Gather" or node.input[1] not in constants:
        return False
    axis = next((entry.i for entry in node.attribute if entry.name == "axis"), 0)
    index = numpy_helper.to_array(constants[node.input[1]])
    return bool(axis == _TOKENS_AXIS and index.ndim == 0 and index == 0 and node.input[0] not in constants)


def _by_row(
    graph: onnx.GraphProto, reader: onnx.NodeProto, constants: dict[str, onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """Return the nodes whose results only the reader needs, and only by row, in the graph's order."""
    users: dict[str, list[int]] = defaultdict(list)
    for place, node in enumerate(graph.node):
        for name in node.input:
            users[name].append(place)
    outputs = {output.name for output in graph.output}
    inside = {place for place, node in enumerate(graph.node) if node is reader}
    found = []
    for place in range(len(graph.node) - 1, -1, -1):
        node = graph.node[place]
        needed = [user for name in node.output for user in users[name]]
        alone = bool(needed) and all(user in inside for user in needed) and not outputs & set(node.output)
        if alone and _treats_rows(node, constants):
            inside.add(place)
            found.append(node)
    return found[::-1]


def _treats_rows(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    if node.op_type == "MatMul":
        return node.input[1] in constants and len(constants[node.input[1]].dims) == 2  # noqa: PLR2004 (a matrix)
    vectors = all(len(constants[name].dims) <= 1 for name in node.input if name in constants)
    return node.op_type in _BY_ROW and vectors


def _slice(graph: onnx.GraphProto, rows: list[onnx.NodeProto], constants: dict[str, onnx.TensorProto]) -> None:
    """Cut the first token out of everything that enters these nodes."""
    made = {name for node in rows for name in node.output}
    entering = {name for node in rows for name in node.input if name and name not in made and name not in constants}
    parts = {"starts": [0], "ends": [1], "axes": [_TOKENS_AXIS]}
    for part, value in parts.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), f"first_token/{part}"))
    new = {name: f"{name}/first_token" for name in sorted(entering)}
    for node in rows:
        for place, name in enumerate(node.input):
            node.input[place] = new.get(name, name)
    nodes = []
    for node in graph.node:
        nodes.append(node)
        for name in node.output:
            if name in new:
                inputs = [name, *(f"first_token/{part}" for part in parts)]
                nodes.append(helper.make_node("Slice", inputs, [new[name]], new[name]))
    del graph.node[:]
    graph.node.extend(nodes)
