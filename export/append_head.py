"""What surrounds a graph that somebody else exported: a head behind it, and token types before it.

The head is the module of `pooling_heads.py` that is traced behind PyTorch's models too, exported alone in the
graph's opset.
"""

from pathlib import Path

import onnx
import torch
from onnx import helper, version_converter
from torch import nn

from shortlist.server.runtime.manifest import OUTPUT, Kind

from . import graphs
from .silence import quiet

TYPES = "token_type_ids"
_MASK = "attention_mask"
_LAST_OPSET = 20  # of PyTorch's exporter by tracing


def append(model: onnx.ModelProto, value: str, head: nn.Module, kind: Kind, scratch: Path) -> None:
    """Put a head behind a graph, whose only output is then the head's.

    Args:
        model: the graph, which is changed.
        value: its output to start from, float32 [batch, sequence, width], or [batch, width].
        head: takes that and the attention mask.
        kind: of model.
        scratch: folder for files in between.
    """
    (given,) = (entry for entry in model.graph.output if entry.name == value)
    axes = range(len(given.type.tensor_type.shape.dim))
    width = next((one.in_features for one in head.modules() if isinstance(one, nn.Linear)), 2)
    opset = graphs.opset(model)
    path = scratch / "head.onnx"
    with quiet():
        torch.onnx.export(
            head,
            (torch.ones(*(2 for _ in axes[1:]), width), torch.ones(2, 2, dtype=torch.int64)),
            path,
            input_names=[value, _MASK],
            output_names=[OUTPUT[kind]],
            dynamic_axes={value: list(axes), _MASK: [0, 1]},
            opset_version=min(opset, _LAST_OPSET),
            dynamo=False,
        )
    added = graphs.load(path)
    if opset > _LAST_OPSET:
        added = version_converter.convert_version(added, opset)
    onnx.compose.add_prefix(added, "shortlist/", rename_inputs=False, rename_outputs=False, inplace=True)
    model.graph.node.extend(added.graph.node)
    model.graph.initializer.extend(added.graph.initializer)
    del model.graph.output[:]
    model.graph.output.extend(added.graph.output)


def begin_without_types(model: onnx.ModelProto) -> None:
    """Make every token one of the first text, and take `token_type_ids` off a graph's inputs."""
    kept = [entry for entry in model.graph.input if entry.name != TYPES]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.node.insert(0, helper.make_node("Sub", ["input_ids", "input_ids"], [TYPES], f"shortlist/{TYPES}"))
