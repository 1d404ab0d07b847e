"""A graph that somebody else exported: checked, completed to the last number, and ready to be proven.

The result is held against the model's PyTorch weights, if the folder has them too. Where it has none, or they
need code of the model's own, which is never run, it is the graph itself as it was published, run by onnxruntime, with
PyTorch's pooling behind it: that shows that nothing was changed on the way into the bundle, and cannot show that the
graph was exported well.
"""

import contextlib
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.transformers.onnx_model import OnnxModel
from torch import Tensor
from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig

from shortlist.export import graphs, heads, interface, model, published, tail, tokenizer, trace
from shortlist.export.errors import ExportError
from shortlist.export.layout import Layout, Normalize, config
from shortlist.export.quiet import quiet
from shortlist.export.running import session
from shortlist.export.source import Origin, has_weights
from shortlist.server.bundle import OUTPUT
from shortlist.server.errors import first_line

PYTORCH, ONNX = "pytorch", "onnx"
SAID = {PYTORCH: "PyTorch", ONNX: "the graph as it was published"}
# Their positions begin to count after the padding's index.
_SHIFTED = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "xmod", "data2vec-text"}

Reference = Callable[..., dict[str, Tensor]]
Finish = Callable[[Tensor, Tensor], dict[str, Tensor]]  # a graph's output and the attention mask -> the last number


@dataclass(frozen=True, slots=True)
class Taken:
    """Hold a published graph, complete, and what it is to be compared with."""

    graph: Path
    config: PretrainedConfig
    architecture: str
    weights_sha256: str  # over the graph's tensors, what was put behind it included
    positions: int  # tokens that have one
    reference: Reference
    inputs: tuple[str, ...]  # what the reference takes
    against: str  # PYTORCH or ONNX


class Original:
    """Be the graph as it was published, with PyTorch's pooling and steps behind it."""

    def __init__(self, path: Path, value: str, finish: Finish) -> None:
        """Load the graph.

        Raises:
            ExportError: onnxruntime cannot.
        """
        self._session = session(path)
        self._value = value
        self._finish = finish

    def __call__(self, attention_mask: Tensor, **others: Tensor) -> dict[str, Tensor]:
        """Return `embedding` or `logit` for int64 [batch, sequence] inputs."""
        feeds = {name: tensor.numpy() for name, tensor in others.items()}
        try:
            found = self._session.run(self._value, {**feeds, "attention_mask": attention_mask.numpy()})
        except Exception as error:
            raise ExportError(f"the published graph cannot be run: {first_line(error)}") from error
        return self._finish(torch.from_numpy(found), attention_mask)


def take(origin: Origin, layout: Layout, scratch: Path) -> Taken:
    """Complete a published graph, and settle what proves it.

    Args:
        origin: the model's files, whose `graph` is taken in.
        layout: how the model is put together.
        scratch: where to write; files in between are left there.

    Raises:
        ExportError: the graph is damaged, or takes or gives something else than a text encoder does.
    """
    named = f"{origin.graph} of {origin.name}"
    graph = published.loaded(origin.folder / origin.graph, scratch)
    inputs = interface.inputs(graph, named)
    value = interface.output(graph, layout.kind, named)
    raw = config(origin, layout.body)
    settings = _settings(origin, layout, raw)
    interface.check(graph, value, layout, settings, named)
    finish = _completed(graph, value, origin, layout, settings)
    target = scratch / "taken.onnx"
    graphs.save(graph, target)
    found = functools.partial(Taken, target, settings, (settings.architectures or ["unknown"])[0], _sha256(graph))
    if has_weights(origin.folder) and "auto_map" not in raw:
        whole = model.load(origin, layout)
        with contextlib.suppress(KeyError, ValueError):  # optimum may not know it; then it takes what the graph takes
            inputs = trace.inputs(whole.config, layout.kind)
        return found(positions(settings), whole, inputs, PYTORCH)
    original = Original(origin.folder / origin.graph, value, finish)
    return found(positions(settings), original, inputs, ONNX)


def positions(settings: Any) -> int:
    """Return how many tokens have a position, by a model's configuration alone."""
    count = getattr(settings, "max_position_embeddings", None) or tokenizer.UNLIMITED
    return int(count) - (settings.pad_token_id + 1 if settings.model_type in _SHIFTED else 0)


def _completed(
    graph: onnx.ModelProto, value: str, origin: Origin, layout: Layout, settings: PretrainedConfig
) -> Finish:
    """Put what is missing behind a graph, and return the same in PyTorch."""
    kept = [entry for entry in graph.graph.output if entry.name == value]
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    if OUTPUT[layout.kind] in {name for node in graph.graph.node for name in node.output}:
        onnx.compose.add_prefix(graph, "published/", rename_inputs=False, rename_outputs=False, inplace=True)
    if layout.kind == "reranker":
        positive, negative = model.labels(origin.name, settings.id2label or {})
        tail.end_in_logit(graph, value, positive, negative)
    else:
        pooling = None if value == interface.POOLED else layout.pooling or None
        # What is pooled already went through the dense layers; dividing by the length once more changes nothing.
        steps = [step for step in layout.steps if value != interface.POOLED or isinstance(step, Normalize)]
        loaded = model.steps(origin, steps)
        tail.end_in_embedding(graph, value, pooling, loaded)
    OnnxModel(graph).prune_graph()
    if layout.kind == "reranker":
        return lambda logits, _: {"logit": heads.logit(logits, positive, negative)}
    return lambda hidden, mask: {
        "embedding": loaded(hidden if pooling is None else heads.pooled(hidden, mask, pooling))
    }


def _settings(origin: Origin, layout: Layout, raw: Any) -> PretrainedConfig:
    """Return the model's configuration; a plain one where transformers does not know the architecture."""
    if raw.get("model_type") not in CONFIG_MAPPING:
        return PretrainedConfig.from_dict(raw)
    with quiet():
        found: PretrainedConfig = AutoConfig.from_pretrained(origin.folder / layout.body, trust_remote_code=False)
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
