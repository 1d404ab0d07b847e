"""What a published graph takes and gives, and whether that is what a text encoder takes and gives.

Judges by the graph's declarations and the configuration beside it; whether it computes the right numbers is shown by
running it.
"""

import onnx
from onnx import TensorProto
from transformers import PretrainedConfig

from shortlist.server.runtime.manifest import Kind

from . import graphs
from .errors import ExportError
from .layout import AS, Layout
from .pooling_config import Dense

POOLED = "sentence_embedding"
_TOKENS = ("last_hidden_state", "token_embeddings")  # as optimum names them for both of its libraries
_LOGITS = "logits"
_LEAST_OPSET = 11  # what quantization needs
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_NEEDED = {"input_ids", "attention_mask"}


def inputs(graph: onnx.ModelProto, named: str) -> tuple[str, ...]:
    """Return the inputs of a graph that runs on what the server makes of texts.

    Raises:
        ExportError: it takes something else, or no opset that can be gone on with.
    """
    if not _LEAST_OPSET <= (version := graphs.opset(graph)) <= onnx.defs.onnx_opset_version():
        raise ExportError(
            f"{named} has opset {version}, but {_LEAST_OPSET} to {onnx.defs.onnx_opset_version()} can be taken in;"
            " export it again with one of these"
        )
    weights = {tensor.name for tensor in graph.graph.initializer}  # old graphs list them among the inputs
    found = {entry.name: entry.type.tensor_type for entry in graph.graph.input if entry.name not in weights}
    if not _NEEDED <= set(found) <= _INPUTS:
        raise ExportError(
            f"{named} takes {', '.join(found)}, but a text encoder takes input_ids and attention_mask,"
            " and token_type_ids if it has them"
        )
    for name, kind in found.items():
        fixed = [axis.dim_value for axis in kind.shape.dim if axis.HasField("dim_value")]
        if kind.elem_type != TensorProto.INT64 or fixed:
            shape = f" of the fixed size {fixed[0]}" if fixed else ""
            raise ExportError(
                f"{named} takes {name} as {TensorProto.DataType.Name(kind.elem_type)}{shape}, but the server gives"
                " INT64 of any batch and length; export it again with free axes"
            )
    return tuple(found)


def output(graph: onnx.ModelProto, kind: Kind, named: str) -> str:
    """Return the output that the rest starts from.

    Raises:
        ExportError: there is none.
    """
    outputs = {entry.name: entry.type.tensor_type.elem_type for entry in graph.graph.output}
    wanted = (_LOGITS,) if kind == "reranker" else (*_TOKENS, POOLED)
    found = next((name for name in wanted if name in outputs), None)
    if found is None:
        raise ExportError(
            f"{named} gives {', '.join(outputs)}, but {AS[kind]} gives"
            f" {' or '.join(wanted)}; name another graph with --graph, or say what it is with --kind"
        )
    if outputs[found] != TensorProto.FLOAT:
        raise ExportError(
            f"{named} gives {found} as {TensorProto.DataType.Name(outputs[found])}, but it must be FLOAT"
        )
    return found


def rows(graph: onnx.ModelProto) -> int | None:
    """Return how many tokens a graph has embeddings for, if that can be seen."""
    tables = {node.input[0] for node in graph.graph.node if node.op_type == "Gather" and node.input[1] == "input_ids"}
    return next((tensor.dims[0] for tensor in graph.graph.initializer if tensor.name in tables), None)


def check(
    graph: onnx.ModelProto, value: str, layout: Layout, config: PretrainedConfig, named: str, *, typed: bool
) -> None:
    """Refuse a graph that does not fit the configuration beside it, where that can be seen.

    Raises:
        ExportError: it gives more or fewer numbers, or takes no token types where pairs need them.
    """
    (width,) = (_width(entry) for entry in graph.graph.output if entry.name == value)
    expected: int | None = width
    dense = [step for step in layout.steps if isinstance(step, Dense)]
    if layout.kind == "reranker":
        expected = len(config.id2label or {})
        types = getattr(config, "type_vocab_size", 1)
        # Without them a BERT cross-encoder takes both texts for one, and ranks at random without an error.
        if typed and types > 1 and not any(entry.name == "token_type_ids" for entry in graph.graph.input):
            raise ExportError(
                f"{named} takes no token_type_ids, but the config.json beside it has type_vocab_size {types};"
                " name a graph that takes them with --graph"
            )
    elif dense:
        expected = dense[-1].outputs if value == POOLED else dense[0].inputs
    if width not in {None, expected}:
        raise ExportError(
            f"{named} gives {value} with {width} elements, but the configuration beside it wants {expected};"
            " name another graph with --graph"
        )


def _width(output: onnx.ValueInfoProto) -> int | None:
    axes = output.type.tensor_type.shape.dim
    return axes[-1].dim_value if axes and axes[-1].HasField("dim_value") else None
