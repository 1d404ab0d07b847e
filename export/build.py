"""From a model's files to a bundle's: load, trace, fuse, quantize, and compare each graph with PyTorch.

Writes into the folder that it is given and knows nothing of where that folder goes in the end.
"""

import dataclasses
import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import PretrainedConfig

from shortlist.export import fuse, graphs, intake, layout, model, prefixes, quantize, tokenizer, tools, trace
from shortlist.export.errors import ExportError
from shortlist.export.layout import Layout
from shortlist.export.settings import ExportSettings
from shortlist.export.source import RECOMMENDED, Origin, read_json
from shortlist.export.tokenizer import Written
from shortlist.export.verify import Measured, Trial, shortfall
from shortlist.server.bundle import MANIFEST, OUTPUT, TOKENIZER, File, Manifest, Source, Variant

Progress = Callable[[str], None]

_PRECISIONS = {"fp32": "fp32", "int8": quantize.PRECISION}


@dataclass(frozen=True, slots=True)
class Traced:
    """Hold what is left of a model once PyTorch is done with it."""

    graph: Path
    config: PretrainedConfig
    source: Source
    written: Written
    trial: Trial
    against: str = intake.PYTORCH


def build(settings: ExportSettings, origin: Origin, asked: dict[str, str], folder: Path, progress: Progress) -> None:
    """Write a bundle's files.

    Args:
        settings: what was asked for.
        origin: the model's files.
        asked: what the manifest is to remember, for a second run to compare.
        folder: where to write; nothing else is in it.
        progress: takes one line a step.

    Raises:
        ExportError: the model cannot be exported, or a graph does not compute what the model computes.
    """
    steps = 3 if "int8" in settings.variants else 2
    found = layout.read(origin, settings.kind)
    scratch = folder / "scratch"
    scratch.mkdir()
    todo = f"taking in {origin.graph}" if origin.graph else "tracing it"
    progress(f"[1/{steps}] Loading {origin.name} ({found.kind}) and {todo}")
    if found.assumed:
        progress(f"      {origin.name} does not say how it pools: taking the mean of its tokens, not normalized")
    found = prefixes.settled(found, origin.name, settings, progress)
    traced = _traced(settings, origin, found, folder, scratch)
    against = intake.SAID[traced.against]
    progress(f"[2/{steps}] Fusing operators and comparing fp32 with {against}")
    measured = {"fp32": _fp32(traced, folder, progress)}
    if "int8" in settings.variants:
        progress(f"[3/{steps}] Quantizing to int8 and comparing it with {against}")
        quantize.quantize(folder / "fp32.onnx", folder / "int8.onnx", scratch)
        measured["int8"] = _proven("int8", folder, traced, progress)
    shutil.rmtree(scratch)
    if "fp32" not in settings.variants:
        del measured["fp32"]
        graphs.delete(folder / "fp32.onnx")
    blend = _blend(settings, origin) if found.kind == "reranker" else 0.0
    manifest = dataclasses.replace(_manifest(traced, found, asked, folder, measured), blend=blend)
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def _traced(settings: ExportSettings, origin: Origin, found: Layout, folder: Path, scratch: Path) -> Traced:
    """Do all that needs PyTorch; its copy of the weights is gone when this returns."""
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


def _fp32(traced: Traced, folder: Path, progress: Progress) -> Measured:
    """Write the fused graph, or the plain one where fusions do not apply or do not compute the same."""
    path = folder / "fp32.onnx"
    if fuse.fuse(traced.graph, path, traced.config):
        measured = traced.trial.measure(path)
        missed = shortfall("fp32", measured.parity)
        if not missed:
            progress(f"      {_summary(measured)}")
            return measured
        against = intake.SAID[traced.against]
        progress(f"      The fused graph differs from {against} ({missed}); going on with the plain one")
    else:
        progress(f"      onnxruntime has no fusion for {traced.source.architecture}; going on with the plain graph")
    graphs.save(graphs.load(traced.graph), path)
    return _proven("fp32", folder, traced, progress)


def _proven(variant: str, folder: Path, traced: Traced, progress: Progress) -> Measured:
    against = intake.SAID[traced.against]
    measured = traced.trial.measure(folder / f"{variant}.onnx")
    if missed := shortfall(variant, measured.parity):
        raise ExportError(
            f"{variant}.onnx does not compute what {against} computes: {missed};"
            " no bundle was written (--variants leaves a variant out)"
        )
    progress(f"      {_summary(measured)}")
    return measured


def _summary(measured: Measured) -> str:
    shown = (f"{name} {value:.6g}" for name, value in measured.parity.items())
    return ", ".join(shown)


def _blend(settings: ExportSettings, origin: Origin) -> float:
    """Return the similarity's share in the final order: what was asked for, else what the model says of itself.

    Raises:
        ExportError: the model's own word is no share.
    """
    path = origin.find(RECOMMENDED)
    if settings.blend is not None or path is None:
        return settings.blend or 0.0
    share = read_json(path).get("blend", 0.0)
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ExportError(f"blend in {path} is {share!r}, but a share is from 0 to 1; mend it, or give --blend")
    return float(share)


def _manifest(
    traced: Traced, found: Layout, asked: dict[str, str], folder: Path, measured: Mapping[str, Measured]
) -> Manifest:
    return Manifest(
        kind=found.kind,
        source=traced.source,
        reference=traced.against,
        max_tokens=traced.written.max_tokens,
        dimensions=traced.trial.dimensions,
        pooling=found.pooling,
        normalized=found.normalized,
        query_prefix=found.query_prefix,
        document_prefix=found.document_prefix,
        pad_token_id=traced.written.pad_token_id,
        tokenizer=File.of(traced.written.path),
        variants={
            name: Variant(
                files=tuple(File.of(path) for path in graphs.files(folder / f"{name}.onnx")),
                precision=_PRECISIONS[name],
                inputs=entry.inputs,
                output=OUTPUT[found.kind],
                batch_invariant=entry.batch_invariant,
                parity=entry.parity,
            )
            for name, entry in measured.items()
        },
        tools=tools.versions(),
        settings=asked,
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
