"""Lay a bundle's graph out as peers read models: a Hugging Face folder with PyTorch's weights and `onnx/model.onnx`.

A bundle's graph holds everything up to the last number, and its output has a name of ours. Peers pool vectors
themselves and know outputs by other names. So a reranker's graph gets its logit as `logits`, float32 [batch, 1], and
an embedder's ends in its last hidden states; every weight and every other node stay as they are.

Runs before anything is measured; imports torch and transformers when it does.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from shortlist.export import graphs, source
from shortlist.export import layout as layouts
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.manifest import OUTPUT, Kind

from .peer import PeersError

GRAPH = Path("onnx", "model.onnx")
LOGITS = "logits"
HIDDEN = "last_hidden_state"
_NORMALIZATIONS = ("LayerNormalization", "SkipLayerNormalization", "SimplifiedLayerNormalization")


def write(bundle: Bundle, variant: str, model: str, folder: Path) -> Path:
    """Write a model's folder with one graph of its bundle.

    Args:
        bundle: where the graph and the tokenizer come from.
        variant: which graph.
        model: what the bundle was exported from, as `shortlist export` takes it.
        folder: to be made.

    Returns:
        the folder.

    Raises:
        PeersError: the model is not the bundle's, or the peers could not run it.
        ExportError: the model is not there, or cannot be read.
        BundleError: the bundle has no such variant.
    """
    bundle.verify(variant)
    _write_model(bundle, model, folder)
    shutil.copyfile(bundle.tokenizer, folder / "tokenizer.json")
    (folder / GRAPH).parent.mkdir(exist_ok=True)
    graph = graphs.load(bundle.graph(variant))
    _REWRITTEN[bundle.manifest.kind](graph)
    graphs.save(graph, folder / GRAPH)
    return folder


def with_logits(model: onnx.ModelProto) -> None:
    """Name a reranker's output `logits` and give it an axis for its one label: float32 [batch, 1]."""
    name = "peers/label_axis"
    model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], [1]))
    model.graph.node.append(helper.make_node("Unsqueeze", [OUTPUT["reranker"], name], [LOGITS]))
    _end_in(model, LOGITS, [None, 1])


def with_hidden_states(model: onnx.ModelProto) -> None:
    """Let an embedder's graph end in its last hidden states, float32 [batch, tokens, width], without what pools them.

    Raises:
        PeersError: the graph has no layer normalization, in which encoders end.
    """
    last = next((node for node in reversed(model.graph.node) if node.op_type in _NORMALIZATIONS), None)
    if last is None:
        raise PeersError(
            f"the embedder's graph has none of {', '.join(_NORMALIZATIONS)}: its last hidden states cannot be found"
        )
    model.graph.node.append(helper.make_node("Identity", [last.output[0]], [HIDDEN]))
    _end_in(model, HIDDEN, [None, None, None])


_REWRITTEN: dict[Kind, Callable[[onnx.ModelProto], None]] = {"embedder": with_hidden_states, "reranker": with_logits}


def _end_in(model: onnx.ModelProto, name: str, shape: list[int | None]) -> None:
    """Make a tensor the only output, and drop the nodes that it does not need."""
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    needed, kept = {name}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))


def _write_model(bundle: Bundle, model: str, folder: Path) -> None:
    """Write configuration, tokenizer and PyTorch's weights, an adapter merged in."""
    from transformers import AutoTokenizer  # noqa: PLC0415 (seconds to import)

    from shortlist.export import model as weights  # noqa: PLC0415 (the same)

    manifest = bundle.manifest
    origin = source.resolve(model)
    described = layouts.read(origin, manifest.kind)
    loaded = weights.load(origin, described)
    if (found := weights.weights_sha256(loaded)) != manifest.source.weights_sha256:
        raise PeersError(
            f"{model} has other weights (SHA-256 {found[:12]}...) than bundle {bundle.path} was exported from"
            f" ({manifest.source.weights_sha256[:12]}...); name the model of the bundle, or export it again"
        )
    if described.body:
        raise PeersError(f"{model} keeps its transformer in {described.body}/, which infinity does not read")
    if manifest.kind == "embedder":
        # modules.json and the folders that it names say how vectors are pooled.
        shutil.copytree(origin.folder, folder, ignore=shutil.ignore_patterns("onnx", "openvino", "*.bin"))
    elif loaded.config.num_labels != 1:
        raise PeersError(f"{model} has {loaded.config.num_labels} labels, but the peers' graph has one logit")
    body: Any = loaded.body
    body.save_pretrained(folder)
    tokenizers: Any = AutoTokenizer
    tokenizer = tokenizers.from_pretrained(origin.folder, model_max_length=manifest.max_tokens)
    tokenizer.save_pretrained(folder)
