"""From a model's files to a bundle's: fp32 first, then make and judge each variant, keep what passed, describe it.

Writes into the folder that it is given and knows nothing of where that folder goes in the end.
"""

import dataclasses
import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

from shortlist.server import cores
from shortlist.server.fusion import Fusion
from shortlist.server.runtime import variant_timings
from shortlist.server.runtime.manifest import MANIFEST, OUTPUT, File, Manifest, Variant
from shortlist.server.runtime.tokens import Encoded, pad

from . import draft, fp32, graphs, judging, layout, prefixes, report, source, tools, unserved, variants
from .errors import ExportError
from .fp32 import Traced
from .gate import Gate, Judged, Limits, TextGate, encoded
from .judging import Judging
from .late_interaction import gate as token_gate
from .late_interaction.gate import TokenGate
from .late_interaction.trial import reader
from .layout import Layout
from .reference import SAID
from .settings import VARIANTS, ExportSettings
from .source import Origin
from .variants import Made, Material
from .verify import LONGEST_TOKENS

Progress = Callable[[str], None]

_CALIBRATION_PASSAGES = 3  # beside a query: what flows through a graph is known long before its order is


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
    found = _layout(settings, origin, progress)
    judges, calibrating = _texts(settings, found)
    names = variants.chosen(settings)
    scratch = folder / "scratch"
    scratch.mkdir()
    steps, todo = len(names) + 2, f"taking in {origin.graph}" if origin.graph else "tracing it"
    progress(f"[1/{steps}] Loading {origin.name} ({found.kind}) and {todo}")
    found = prefixes.settled(found, origin.name, settings, progress)
    traced = fp32.read(settings, origin, found, folder, scratch)
    if traced.relevant_label:
        progress(f"      Scoring by the label {traced.relevant_label!r}; --relevant-label names another")
    progress(f"[2/{steps}] Fusing operators and comparing fp32 with {SAID[traced.against]}")
    graph = folder / "fp32.onnx"
    made = {"fp32": Made(graph, "fp32", Judged(fp32.write(traced, graph, progress), batch_invariant=True, missed=""))}
    limits = Limits(settings.least_overlap, settings.least_tau, settings.most_ndcg_loss)
    gate, items = _gate(found, traced, judges, calibrating, limits, graph)
    calibration = [pad([item], gate.pad_token_id) for item in items]
    material = Material(graph, traced.graph, scratch, calibration, gate, progress)
    for number, name in enumerate(names, 3):
        progress(f"[{number}/{steps}] Making {name} and holding it against fp32 on {judges.name}")
        if one := _made(name, material, folder, asked=name in settings.variants):
            made[name] = one
    shutil.rmtree(scratch)
    kept = _kept(settings, _described(made, found, traced, gate), folder, progress)
    fusion = _fusion(settings, origin) if found.kind == "reranker" else Fusion()
    manifest = _manifest(traced, found, asked, kept, fusion, judges.name)
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    draft.prove(folder, traced.trial)


def _layout(settings: ExportSettings, origin: Origin, progress: Progress) -> Layout:
    """Read how the model is put together, and refuse what its vectors are not to be compared by."""
    found = layout.read(origin, settings.kind)
    if settings.similarity == "own":
        unserved.similarity(origin.name, found.similarity, normalized=found.normalized)
    if found.assumed:
        progress(f"{origin.name} does not say how it pools: taking the mean of its tokens, not normalized")
    return dataclasses.replace(found, relevant_label=settings.relevant_label)


def _texts(settings: ExportSettings, found: Layout) -> tuple[Judging, Judging]:
    """Return the texts that judge and those that calibrate, before anything takes time."""
    given = settings.calibration
    every = judging.bundled() if given is None else judging.read(given, found.kind)
    calibrating, judges = every.halves()
    return judges, calibrating.narrowed(_CALIBRATION_PASSAGES) if found.kind == "reranker" else calibrating


def _gate(
    found: Layout, traced: Traced, judges: Judging, calibrating: Judging, limits: Limits, graph: Path
) -> tuple[Gate, list[Encoded]]:
    """Return the gate, and the texts that calibrate."""
    written = traced.written
    if traced.rules is None:
        return TextGate(found, written, judges, limits, graph), encoded(found, written, calibrating)
    texts = reader(found, traced.rules, written.tokenizer, LONGEST_TOKENS)
    return TokenGate(found, written, traced.rules, judges, limits, graph), token_gate.encoded(texts, calibrating)


def _made(name: str, material: Material, folder: Path, *, asked: bool) -> Made | None:
    """Make a variant; one that nobody asked for by name may be left out.

    Raises:
        ExportError: one that was asked for cannot be made.
    """
    try:
        return variants.make(name, material, folder)
    except ExportError as error:
        if asked:
            raise
        material.progress(f"      Left out: {error}")
        return None


def _kept(
    settings: ExportSettings, described: dict[str, Variant], folder: Path, progress: Progress
) -> dict[str, Variant]:
    """Report the figures of all variants, and delete those that failed or were not asked for.

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


def _fusion(settings: ExportSettings, origin: Origin) -> Fusion:
    """Return how much the similarity counts in the final order: as asked for, else as the model says of itself.

    Raises:
        ExportError: the model's own file says something else.
    """
    said = source.recommended(origin)
    weight, center = settings.similarity_weight, settings.similarity_center
    return Fusion(said.weight if weight is None else weight, said.center if center is None else center)


def _described(made: dict[str, Made], found: Layout, traced: Traced, gate: Gate) -> dict[str, Variant]:
    """Describe the variants, timed side by side."""
    runners = {name: gate.runner(entry.graph, entry.provider, entry.precision) for name, entry in made.items()}
    times = variant_timings.measure(
        {name: runner.of_length for name, runner in runners.items()}, traced.written.max_tokens
    )
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


def _manifest(
    traced: Traced,
    found: Layout,
    asked: dict[str, str],
    kept: dict[str, Variant],
    fusion: Fusion,
    texts: str,
) -> Manifest:
    return Manifest(
        kind=found.kind,
        source=traced.source,
        reference=traced.against,
        relevant_label=traced.relevant_label,
        late_interaction=traced.rules,
        max_tokens=traced.written.max_tokens,
        dimensions=traced.trial.dimensions,
        pooling=found.pooling,
        normalized=found.normalized,
        query_prefix=found.query_prefix,
        document_prefix=found.document_prefix,
        pad_token_id=traced.written.pad_token_id,
        tokenizer=File.of(traced.written.tokenizer),
        variants=kept,
        tools=tools.versions(),
        processor=cores.processor(),
        similarity_weight=fusion.weight,
        similarity_center=fusion.center,
        texts=texts,
        settings=asked,
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
