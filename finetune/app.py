"""`shortlist finetune`: from judged queries to weights and their model card.

    read and check -> hold out -> load -> measure -> lists -> train -> measure -> write

Whatever can be refused is refused before the first step of training.
"""

import json
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from transformers import set_seed

from shortlist.export import source
from shortlist.export.source import Origin
from shortlist.server.fusion import Fusion

from . import calibration, candidates, card, lists, models, quality, reading, students, teachers, training
from .calibration import Calibration
from .candidates import Finder, Index
from .errors import FinetuneError
from .models import Floats
from .quality import Figures, Judge, Panel
from .reading import Examples
from .settings import FinetuneSettings
from .students import Student
from .teachers import Teacher

_LISTS = "lists.json"  # beside the checkpoints: a teacher takes minutes to judge them


@dataclass(frozen=True, slots=True)
class _Ready:
    """What training needs."""

    sets: tuple[tuple[Index, list[str]], ...]  # with the queries that are not held out
    finder: Finder
    teacher: Teacher | None
    student: Student
    panels: tuple[Panel, ...]


def run(settings: FinetuneSettings, progress: Callable[[str], None]) -> dict[card.When, dict[str, dict[str, float]]]:
    """Fine-tune a model; return what teacher, model before and after are worth, by set of queries.

    Args:
        settings: what to train on what.
        progress: takes one line a step.

    Raises:
        FinetuneError: the data, a model or the output's folder cannot be used; nothing was trained.
    """
    sets = reading.read(settings)
    base = source.resolve(settings.base)
    _check(settings)
    training.claim(settings)
    set_seed(settings.seed)
    ready = _prepared(settings, sets, base, progress)
    began, student = time.monotonic(), ready.student
    unfitted = quality.ALONE if settings.kind == "reranker" else None  # scores of MaxSim only order
    figures: dict[card.When, dict[str, Figures]] = {}
    if ready.teacher is not None:
        figures["teacher"] = _measured("Teacher", ready, _said(ready, ready.teacher.agreement), progress, unfitted)
    before = _said(ready, student.judge)
    figures["before"] = _measured("Before", ready, before, progress, unfitted)
    made = lists.kept(
        settings.out / training.CHECKPOINTS / _LISTS,
        lambda: lists.make(settings, ready.sets, ready.teacher, progress) if settings.lists else [],
    )
    evaluator = quality.Evaluator(ready.panels, student.judge)
    steps = training.train(settings, student, made, evaluator, progress) if made else 0
    after = _said(ready, student.judge) if steps else before
    fitted = None
    if settings.kind == "reranker":
        fitted = _calibrate(ready, after, settings.similarity_weight, progress)
        after = [fitted.of(one) for one in after]
    figures["after"] = _measured("After", ready, after, progress, None if fitted is None else fitted.fusion)
    told = card.Run(
        teacher=ready.teacher.name if ready.teacher else "",
        embedder=ready.finder.name,
        sets=tuple(card.Trained(one.name, one.weight, len(one.queries), len(one.documents)) for one in sets),
        lists=len(made),
        pairs=sum(len(one.passages) for one in made),
        steps=steps,
        seconds=time.monotonic() - began,
        weights=models.trainable(student.model),
        calibration=fitted,
        figures=figures,
    )
    student.save(settings.out)
    if fitted is not None and fitted.fusion.weight:
        recommended = {"similarity_weight": fitted.fusion.weight, "similarity_center": fitted.fusion.center}
        (settings.out / source.RECOMMENDED).write_text(json.dumps(recommended) + "\n", encoding="utf-8")
    (settings.out / training.CARD).write_text(card.write(settings, told), encoding="utf-8")
    shutil.rmtree(settings.out / training.CHECKPOINTS)
    return {when: {name: _numbers(one) for name, one in found.items()} for when, found in figures.items()}


def _check(settings: FinetuneSettings) -> None:
    if settings.kind == "late-interaction" and settings.similarity_weight is not None:
        raise FinetuneError(
            f"similarity_weight {settings.similarity_weight:g} is of the final order by a reranker's logit, which"
            " late-interaction does not have; leave it out"
        )


def _numbers(figures: Figures) -> dict[str, float]:
    return {name: value for name, value in asdict(figures).items() if value is not None}


def _prepared(
    settings: FinetuneSettings, sets: Sequence[Examples], base: Origin, progress: Callable[[str], None]
) -> _Ready:
    """Load the models, embed each set's corpus, and keep some queries from training."""
    finder = candidates.finder(settings, base, progress)
    asked = settings.lists and (settings.unlabelled or settings.distill)
    teacher = teachers.choose(settings, finder, base, progress) if asked else None
    student = students.load(settings, base, sets)
    held_out = reading.held_out_of(settings, sets)
    prepared, panels = [], []
    for one in sets:
        for judgement in one.left_out:
            progress(f"Left out: {judgement}")
        progress(f"{one.name}: {len(one.queries)} queries; embedding {len(one.documents)} documents")
        index = Index(finder, one, settings.out / training.CHECKPOINTS)
        rng = random.Random(f"{settings.seed} {one.name}")  # noqa: S311 (a sample, no secret)
        names = rng.sample(sorted(one.queries), len(one.queries))
        panels.append(Panel(f"{one.name}, held out", index, names[:held_out]))
        prepared.append((index, names[held_out:]))
    if settings.outside is not None:
        panels.append(quality.outside(settings.outside, finder, settings.held_out))
    return _Ready(tuple(prepared), finder, teacher, student, tuple(panels))


def _said(ready: _Ready, judge: Judge) -> list[Floats]:
    """Return what somebody says of every panel's candidates."""
    return [panel.logits(judge) for panel in ready.panels]


def _calibrate(
    ready: _Ready, said: Sequence[Floats], weight: float | None, progress: Callable[[str], None]
) -> Calibration:
    """Fit the scores on the queries that are held out, and put the fit into the model."""
    held_out = ready.panels[: len(ready.sets)]
    found = calibration.fit(
        np.concatenate(said[: len(held_out)]),
        np.concatenate([panel.similarities() for panel in held_out]),
        np.concatenate([panel.relevant() for panel in held_out]),
        weight,
    )
    calibration.apply(ready.student.model, found)
    progress(
        f"Calibrated: {found.factor:.3f} times the logit, {found.offset:+.3f},"
        f" and {found.fusion.weight:.2f} times the similarity less {found.fusion.center:.3f}"
    )
    return found


def _measured(
    when: str, ready: _Ready, said: Sequence[Floats], progress: Callable[[str], None], fused: Fusion | None
) -> dict[str, Figures]:
    result = {}
    for panel, logits in zip(ready.panels, said, strict=True):
        found = panel.measure(logits, fused)
        told = f"{when}: {panel.name} nDCG@10 {found.reranked:.4f} (stage one {found.stage_one:.4f})"
        if fused is not None:
            told += f", fused {found.fused:.4f}; scores are off by {found.calibration_error:.3f}"
        progress(told)
        result[panel.name] = found
    return result
