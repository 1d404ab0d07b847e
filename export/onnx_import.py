"""A graph that somebody else exported: checked, completed to the last number, and ready to be proven.

The result is held against the model's PyTorch weights, if the folder has them too. Where it has none, or they
need code of the model's own, which is never run, it is held against the graph as it was published (`Original`).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.transformers.onnx_model import OnnxModel
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig

from shortlist.server.errors import first_line
from shortlist.server.runtime.manifest import OUTPUT, Source

from . import append_head, graphs, interface, labels, model, pooling_heads, published, tokenizer
from .errors import ExportError
from .inference import Feeds, Floats, session
from .layout import Layout, config
from .pooling_config import Dense
from .silence import quiet
from .source import Origin, has_weights
from .tokenizer import Limits

# Their positions begin to count after the padding's index.
_SHIFTED = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "xmod", "data2vec-text"}


@dataclass(frozen=True, slots=True)
class Unfused:
    """A model's fp32 graph, complete, and what of the model the next steps need."""

    graph: Path
    config: PretrainedConfig
    source: Source
    limits: Limits
    original: "Original | None" = None  # what it is compared with, unless there are weights for PyTorch


class Original:
    """The graph as it was published, with the head behind it in PyTorch."""

    def __init__(self, path: Path, value: str, head: nn.Module) -> None:
        """Load the graph.

        Raises:
            ExportError: onnxruntime cannot.
        """
        self._session = session(path)
        self._value = value
        self._head = head

    def run(self, feeds: Feeds) -> Floats:
        """Return a vector, float32 [1, dimensions], or a logit, float32 [1].

        Args:
            feeds: int64 [1, sequence] by input name.

        Raises:
            ExportError: onnxruntime cannot.
        """
        try:
            found = self._session.run(self._value, feeds)
        except Exception as error:
            raise ExportError(f"the published graph cannot be run: {first_line(error)}") from error
        made: Floats = self._head(torch.from_numpy(found), torch.from_numpy(feeds["attention_mask"])).numpy()
        return made


def take(origin: Origin, layout: Layout, scratch: Path, *, typed: bool) -> Unfused:
    """Complete a published graph, and settle what proves it.

    Args:
        origin: the model's files, whose `graph` is taken in.
        layout: how the model is put together.
        scratch: where to write; files in between are left there.
        typed: whether the model's tokenizer makes token types.

    Raises:
        ExportError: the graph is damaged, or takes or gives something else than a text encoder does.
    """
    named = f"{origin.graph} of {origin.name}"
    graph = published.loaded(origin.folder / origin.graph, scratch)
    inputs = interface.inputs(graph, named)
    value = interface.output(graph, layout.kind, named)
    raw = config(origin, layout.body)
    settings = _settings(origin, layout, raw)
    interface.check(graph, value, layout, settings, named, typed=typed)
    limits = Limits(positions(settings), interface.rows(graph))
    head = _completed(graph, value, origin, layout, settings, scratch)
    if append_head.TYPES in inputs and not typed:
        append_head.begin_without_types(graph)
    target = scratch / "taken.onnx"
    graphs.save(graph, target)
    by_torch = has_weights(origin.folder) and "auto_map" not in raw
    original = None if by_torch else Original(origin.folder / origin.graph, value, head)
    architecture = (settings.architectures or ["unknown"])[0]
    source = Source(origin.name, origin.revision, architecture, _sha256(graph))
    return Unfused(target, settings, source, limits, original)


def positions(settings: Any) -> int:
    """Return how many tokens have a position, by a model's configuration alone."""
    count = getattr(settings, "max_position_embeddings", None) or tokenizer.UNLIMITED
    return int(count) - (settings.pad_token_id + 1 if settings.model_type in _SHIFTED else 0)


def _completed(
    graph: onnx.ModelProto, value: str, origin: Origin, layout: Layout, settings: PretrainedConfig, scratch: Path
) -> nn.Module:
    """Put what is missing behind a graph, and return the same in PyTorch."""
    kept = [entry for entry in graph.graph.output if entry.name == value]
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    if OUTPUT[layout.kind] in {name for node in graph.graph.node for name in node.output}:
        onnx.compose.add_prefix(graph, "published/", rename_inputs=False, rename_outputs=False, inplace=True)
    head: nn.Module
    if layout.kind == "reranker":
        found = labels.read(origin.name, settings.id2label or {}, layout.relevant_label)
        head = pooling_heads.LogitHead(found.positive, found.negative)
    else:
        pooled = value == interface.POOLED
        # What is pooled already went through the dense layers; dividing by the length once more changes nothing.
        steps = [step for step in layout.steps if not (pooled and isinstance(step, Dense))]
        head = pooling_heads.EmbeddingHead(None if pooled else layout.pooling or None, model.steps(origin, steps))
    append_head.append(graph, value, head, layout.kind, scratch)
    OnnxModel(graph).prune_graph()
    return head


def _settings(origin: Origin, layout: Layout, raw: Any) -> PretrainedConfig:
    """Return the model's configuration; a plain one where transformers does not know the architecture."""
    if raw.get("model_type") not in CONFIG_MAPPING:
        return PretrainedConfig.from_dict(raw)
    with quiet():
        found: PretrainedConfig = AutoConfig.from_pretrained(
            origin.folder / layout.body, trust_remote_code=False, **layout.config_settings
        )
        return found


def _sha256(graph: onnx.ModelProto) -> str:
    """Identify a graph by the names, types, shapes and bytes of all its tensors."""
    digest = hashlib.sha256()
    tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
    # Some exporters write weights as nodes.
    constants = (node for node in graph.graph.node if node.op_type == "Constant")
    tensors |= {node.output[0]: entry.t for node in constants for entry in node.attribute if entry.name == "value"}
    for name, tensor in sorted(tensors.items()):
        array = np.ascontiguousarray(numpy_helper.to_array(tensor))
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
