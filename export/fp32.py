"""The graph that every variant starts from: traced or taken in, fused, and held against the model.

read: model -> traced graph, tokenizer, trial -> write: fused, cut to the first token, proven
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transformers import PretrainedConfig

from shortlist.export import first_token, fuse, graphs, intake, layout, model, tokenizer, trace
from shortlist.export.errors import ExportError
from shortlist.export.layout import Layout
from shortlist.export.settings import ExportSettings
from shortlist.export.source import Origin
from shortlist.export.tokenizer import Written
from shortlist.export.verify import Trial, shortfall
from shortlist.server.bundle import TOKENIZER, Source

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Traced:
    """Hold what is left of a model once PyTorch is done with it."""

    graph: Path
    config: PretrainedConfig
    source: Source
    written: Written
    trial: Trial
    against: str = intake.PYTORCH


def read(settings: ExportSettings, origin: Origin, found: Layout, folder: Path, scratch: Path) -> Traced:
    """Do all that needs PyTorch; its copy of the weights is gone when this returns.

    Args:
        settings: what was asked for.
        origin: the model's files.
        found: how the model is put together.
        folder: where the tokenizer goes.
        scratch: where everything goes that is not kept.

    Raises:
        ExportError: the model cannot be traced, or its published graph cannot be taken in.
    """
    if origin.graph:
        return _taken(settings, origin, found, folder, scratch)
    trace.check(origin.name, layout.config(origin, found.body), found.kind)
    loaded = model.load(origin, found)
    positions = model.positions(loaded.body)
    written = tokenizer.write(origin, found, loaded.config, positions, settings.max_tokens, folder / TOKENIZER)
    graph = scratch / "traced.onnx"
    inputs = trace.trace(loaded, found.kind, graph)
    source = Source(origin.name, origin.revision, type(loaded.body).__name__, model.weights_sha256(loaded))
    return Traced(graph, loaded.config, source, written, Trial(loaded, inputs, found, written))


def _taken(settings: ExportSettings, origin: Origin, found: Layout, folder: Path, scratch: Path) -> Traced:
    """Do the same for a graph that was published, which needs no tracing."""
    taken = intake.take(origin, found, scratch)
    config, positions = taken.config, taken.positions
    written = tokenizer.write(origin, found, config, positions, settings.max_tokens, folder / TOKENIZER)
    source = Source(origin.name, origin.revision, taken.architecture, taken.weights_sha256)
    trial = Trial(taken.reference, taken.inputs, found, written)
    return Traced(taken.graph, config, source, written, trial, taken.against)


def write(traced: Traced, path: Path, progress: Progress) -> dict[str, float]:
    """Write the fused graph, or the plain one where fusions do not apply or do not compute the same.

    Raises:
        ExportError: the plain one does not compute the same either.
    """
    against = intake.SAID[traced.against]
    if fuse.fuse(traced.graph, path, traced.config):
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
    if first_token.cut(path, path):
        progress("      The model reads its first token only: so does the last layer")
    parity = traced.trial.measure(path)
    missed = shortfall(parity)
    if not missed:
        progress("      " + ", ".join(f"{name} {value:.6g}" for name, value in parity.items()))
    return parity, missed
