"""The graph that every variant starts from: traced or taken in, fused, and held against the model.

read: model -> traced graph, tokenizer, trial -> write: fused, cut to the first token, proven
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig

from shortlist.server.runtime.manifest import TOKENIZER, LateInteraction, Source

from . import authors, first_token_only, graph_fusion, graphs, labels, layout, model, onnx_import, tokenizer, trace
from .errors import ExportError
from .late_interaction import rules as token_rules
from .late_interaction.reference import TorchReference
from .late_interaction.trial import TokenTrial
from .layout import Layout
from .onnx_import import Unfused
from .reference import SAID, Published, Reference
from .settings import ExportSettings
from .source import Origin
from .tokenizer import Limits, Written
from .verify import TextTrial, Trial, shortfall

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Traced:
    """What is left of a model once PyTorch is done with it."""

    graph: Path
    config: PretrainedConfig
    source: Source
    written: Written
    trial: Trial
    against: str  # what the trial's numbers are of, see `reference.py`
    relevant_label: str = ""  # of a reranker's two
    rules: LateInteraction | None = None  # of a late-interaction model


def read(settings: ExportSettings, origin: Origin, found: Layout, folder: Path, scratch: Path) -> Traced:
    """Do all that needs PyTorch; the weights are in memory once at a time, and no more when this returns.

    Args:
        settings: what was asked for.
        origin: the model's files.
        found: how the model is put together.
        folder: where the tokenizer goes.
        scratch: where everything goes that is not kept.

    Raises:
        ExportError: the model cannot be traced, its published graph cannot be taken in, or its authors' library reads
            texts otherwise.
    """
    if not origin.graph:
        trace.check(origin.name, layout.config(origin, found.body), found.kind)
    loaded = tokenizer.loaded(origin, found)
    make = onnx_import.take if origin.graph else _traced
    made = make(origin, found, scratch, typed=tokenizer.tells_types(loaded))
    written = tokenizer.write(
        loaded, origin.name, found, made.config, made.limits, settings.max_tokens, folder / TOKENIZER
    )
    if found.tokens is not None:
        rules = token_rules.settled(origin.name, found.tokens, loaded, written, made.limits, settings.max_tokens)
        written = replace(written, max_tokens=max(rules.query.max_tokens, rules.document.max_tokens))
        own = TorchReference(origin, found, found.tokens, loaded, rules.document.max_tokens)
        tokens = TokenTrial(own, found, rules, written.tokenizer, written.pad_token_id)
        return Traced(made.graph, made.config, made.source, written, tokens, own.name, rules=rules)
    names = made.config.id2label or {}
    words = labels.read(origin.name, names, found.relevant_label) if found.kind == "reranker" else None
    reference: Reference
    if made.original is None:
        reference = authors.Authors(origin, found, words, scratch)
    else:
        reference = Published(made.original, loaded, found)
    trial = TextTrial(reference, found, written)
    return Traced(
        made.graph,
        made.config,
        made.source,
        written,
        trial,
        reference.name,
        relevant_label=words.name if words else "",
    )


def _traced(origin: Origin, found: Layout, scratch: Path, *, typed: bool) -> Unfused:
    loaded = model.load(origin, found)
    graph = scratch / "traced.onnx"
    trace.trace(loaded, found.kind, graph, typed=typed)
    body: Any = loaded.body
    source = Source(origin.name, origin.revision, type(body).__name__, model.weights_sha256(loaded))
    limits = Limits(model.positions(body), body.get_input_embeddings().num_embeddings)
    return Unfused(graph, loaded.config, source, limits)


def write(traced: Traced, path: Path, progress: Progress) -> dict[str, float]:
    """Write the fused graph, or the plain one where fusions do not apply or do not compute the same.

    Raises:
        ExportError: the plain one does not compute the same either.
    """
    against = SAID[traced.against]
    if graph_fusion.fuse(traced.graph, path, traced.config):
        parity, missed = _proven(traced, path, progress)
        if not missed:
            return parity
        progress(f"      The fused graph differs from {against} ({missed}); going on with the plain one")
    else:
        progress(f"      onnxruntime has no fusion for {traced.source.architecture}; going on with the plain graph")
    graphs.save(graphs.load(traced.graph), path)
    parity, missed = _proven(traced, path, progress)
    if missed:
        raise ExportError(f"fp32.onnx does not compute what {against} computes: {missed}; no bundle was written")
    return parity


def _proven(traced: Traced, path: Path, progress: Progress) -> tuple[dict[str, float], str]:
    """Return a graph's figures and what it misses, after cutting it to the first token where that is all it takes."""
    if first_token_only.cut(path, path):
        progress("      The model reads its first token only: so does the last layer")
    parity = traced.trial.measure(path)
    missed = shortfall(parity)
    if not missed:
        progress("      " + ", ".join(f"{name} {value:.6g}" for name, value in parity.items()))
    return parity, missed
