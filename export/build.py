"""From a model's files to a bundle's: load, trace, fuse, compare with PyTorch, then make and judge each variant.

Writes into the folder that it is given and knows nothing of where that folder goes in the end.
"""

import dataclasses
import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
from transformers import PretrainedConfig

from shortlist.export import (
    first_token,
    fuse,
    graphs,
    intake,
    judging,
    layout,
    model,
    prefixes,
    report,
    tokenizer,
    tools,
    trace,
)
from shortlist.export.errors import ExportError
from shortlist.export.gate import Gate, Judged, Limits, encoded
from shortlist.export.judging import Judging
from shortlist.export.layout import Layout
from shortlist.export.running import feeds
from shortlist.export.settings import VARIANTS, ExportSettings
from shortlist.export.source import RECOMMENDED, Origin, read_json
from shortlist.export.tokenizer import Written
from shortlist.export.variants import MAKERS, Made, Material, unjudged
from shortlist.export.verify import Trial, shortfall
from shortlist.server import cores, providers, speed
from shortlist.server.bundle import MANIFEST, OUTPUT, TOKENIZER, File, Manifest, Source, Variant
from shortlist.server.errors import first_line

Progress = Callable[[str], None]

_CALIBRATION_PASSAGES = 3  # beside a query: what flows through a graph is known long before its order is


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
    found = layout.read(origin, settings.kind)
    judges, calibrating = _texts(settings, found)
    names = _chosen(settings)
    scratch = folder / "scratch"
    scratch.mkdir()
    todo = f"taking in {origin.graph}" if origin.graph else "tracing it"
    steps = len(names) + 2
    progress(f"[1/{steps}] Loading {origin.name} ({found.kind}) and {todo}")
    if found.assumed:
        progress(f"      {origin.name} does not say how it pools: taking the mean of its tokens, not normalized")
    found = prefixes.settled(found, origin.name, settings, progress)
    traced = _traced(settings, origin, found, folder, scratch)
    progress(f"[2/{steps}] Fusing operators and comparing fp32 with {intake.SAID[traced.against]}")
    fp32 = folder / "fp32.onnx"
    proven = _fp32(traced, fp32, progress)
    limits = Limits(settings.least_overlap, settings.least_tau, settings.most_ndcg_loss)
    gate = Gate(found, traced.written, judges, limits, fp32)
    items = encoded(found, traced.written, calibrating)
    calibration = tuple(feeds([item], traced.written.pad_token_id) for item in items)
    material = Material(fp32, traced.graph, scratch, calibration, gate, progress)
    made = {"fp32": Made(fp32, "fp32", Judged(proven, batch_invariant=True, missed=""))}
    for number, name in enumerate(names, 3):
        progress(f"[{number}/{steps}] Making {name} and holding it against fp32 on {judges.name}")
        try:
            made[name] = _made(name, material, folder)
        except ExportError as error:
            if name in settings.variants:
                raise
            progress(f"      Left out: {error}")
    shutil.rmtree(scratch)
    described = _described(made, found, traced, gate)
    kept = _kept(settings, described, folder, progress)
    blend = _blend(settings, origin) if found.kind == "reranker" else 0.0
    manifest = _manifest(traced, found, asked, kept)
    manifest = dataclasses.replace(manifest, blend=blend, texts=judges.name)
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def _texts(settings: ExportSettings, found: Layout) -> tuple[Judging, Judging]:
    """Return the texts that judge and those that calibrate, before anything takes time."""
    given = settings.calibration
    every = judging.bundled() if given is None else judging.read(given, found.kind)
    calibrating, judges = every.halves()
    return judges, calibrating.narrowed(_CALIBRATION_PASSAGES) if found.kind == "reranker" else calibrating


def _chosen(settings: ExportSettings) -> list[str]:
    """Return the variants to make beside fp32: what was asked for, else what the installed providers run.

    Raises:
        ExportError: one that was asked for cannot be judged on this machine.
    """
    for name in settings.variants:
        if why := unjudged(name):
            raise ExportError(
                f"{name} cannot be judged here: {why}; leave it out of --variants, or export with"
                " shortlist[openvino] on a CPU that computes in bf16"
            )
    installed = {name for name, kind in providers.KINDS.items() if kind.name in ort.get_available_providers()}
    made = [name for name, targets in VARIANTS.items() if installed & set(targets) and not unjudged(name)]
    return [name for name in settings.variants or made if name != "fp32"]


def _made(name: str, material: Material, folder: Path) -> Made:
    """Make a variant.

    Raises:
        ExportError: the tool that makes it cannot; the message names the variant.
    """
    try:
        return MAKERS[name](material, folder / f"{name}.onnx")
    except ExportError:
        raise
    except Exception as error:  # onnxruntime's quantizers raise anything on a graph that they half know
        raise ExportError(f"{name} cannot be made: {first_line(error)}; leave it out with --variants") from error


def _kept(
    settings: ExportSettings, described: dict[str, Variant], folder: Path, progress: Progress
) -> dict[str, Variant]:
    """Tell the figures of all variants, and delete those that failed or were not asked for.

    Raises:
        ExportError: none is left.
    """
    progress(report.table(described))
    asked = settings.variants or tuple(described)
    kept = {
        name: variant
        for name, variant in described.items()
        if name in asked and (variant.passed or settings.keep_failing)
    }
    wanted = {file.name for variant in kept.values() for file in variant.files}  # bf16's is fp32's
    for file in {file.name for variant in described.values() for file in variant.files} - wanted:
        (folder / file).unlink()
    for name, variant in described.items():
        if variant.missed:
            fate = "kept all the same" if name in kept else "left out; --keep-failing keeps it"
            progress(f"      {name}: {variant.missed} ({fate})")
    if not kept:
        raise ExportError(
            f"no variant of {', '.join(asked)} passed; no bundle was written (--variants fp32 always passes,"
            " --keep-failing keeps what fails)"
        )
    return kept


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


def _fp32(traced: Traced, path: Path, progress: Progress) -> dict[str, float]:
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


def _described(made: dict[str, Made], found: Layout, traced: Traced, gate: Gate) -> dict[str, Variant]:
    """Describe the variants, timed side by side."""
    runners = {name: gate.runner(entry.graph, entry.provider, entry.precision) for name, entry in made.items()}
    times = speed.measure({name: runner.of_length for name, runner in runners.items()}, traced.written.max_tokens)
    return {
        name: Variant(
            files=tuple(File.of(path) for path in graphs.files(entry.graph)),
            precision=entry.precision,
            inputs=runners[name].inputs,
            output=OUTPUT[found.kind],
            batch_invariant=entry.judged.batch_invariant,
            providers=VARIANTS[name],
            parity=entry.judged.parity,
            missed=entry.judged.missed,
            ns_per_token=times[name],
            measured_on=entry.provider,
        )
        for name, entry in made.items()
    }


def _manifest(traced: Traced, found: Layout, asked: dict[str, str], variants: dict[str, Variant]) -> Manifest:
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
        variants=variants,
        tools=tools.versions(),
        processor=cores.processor(),
        texts="",
        settings=asked,
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
