"""`shortlist finetune`: from judged queries to weights and their model card.

    read and check -> hold out -> load -> measure -> lists -> train -> measure -> write

Whatever can be refused is refused before the first step of training.
"""

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

from sentence_transformers import CrossEncoder
from transformers import set_seed

from shortlist.export import source
from shortlist.export.source import Origin

from . import card, lists, models, quality, reading, teachers, training
from .lists import Index
from .models import Dual, Floats
from .quality import Figures, Panel
from .reading import Examples
from .settings import FinetuneSettings
from .teachers import Teacher

HELD_OUT = "held-out"


@dataclass(frozen=True, slots=True)
class _Ready:
    """What training needs."""

    examples: Examples  # without the queries that are held out
    finder: Dual
    teacher: Teacher
    model: CrossEncoder
    index: Index
    panels: tuple[Panel, ...]


def run(settings: FinetuneSettings, progress: Callable[[str], None]) -> dict[card.When, dict[str, dict[str, float]]]:
    """Fine-tune a cross-encoder; return what teacher, model before and after are worth, by set of queries.

    Args:
        settings: what to train on what.
        progress: takes one line a step.

    Raises:
        FinetuneError: the data, a model or the output's folder cannot be used; nothing was trained.
    """
    examples = reading.read(settings)
    base = source.resolve(settings.base)
    training.claim(settings)
    set_seed(settings.seed)
    ready = _prepared(settings, examples, base, progress)
    began, judge = time.monotonic(), partial(models.logits, ready.model)
    figures: dict[card.When, dict[str, Figures]] = {}
    figures["teacher"] = _measured("Teacher", ready, ready.teacher.agreement, progress)
    figures["before"] = _measured("Before", ready, judge, progress)
    made = lists.make(settings, ready.examples, ready.index, ready.teacher, progress)
    steps = training.train(settings, ready.model, made, quality.Evaluator(ready.panels), progress)
    figures["after"] = _measured("After", ready, judge, progress)
    told = card.Run(
        teacher=ready.teacher.name,
        embedder=ready.finder.name,
        queries=len(ready.examples.queries),
        documents=len(examples.documents),
        lists=len(made),
        pairs=sum(len(one.passages) for one in made),
        steps=steps,
        seconds=time.monotonic() - began,
        weights=models.trainable(ready.model),
        figures=figures,
    )
    models.save(ready.model, settings.out)
    (settings.out / training.CARD).write_text(card.write(settings, told), encoding="utf-8")
    shutil.rmtree(settings.out / "checkpoints")
    return {when: {name: asdict(one) for name, one in found.items()} for when, found in figures.items()}


def _prepared(
    settings: FinetuneSettings, examples: Examples, base: Origin, progress: Callable[[str], None]
) -> _Ready:
    """Load the models, embed the corpus, and keep some queries from training."""
    finder = models.embedder(settings, base)
    teacher = teachers.choose(settings, finder)
    model = models.student(settings, base)
    progress(f"Embedding {len(examples.documents)} documents")
    index = Index(finder, examples.documents)
    rest, held_out = _split(settings, examples)
    panels = [Panel(HELD_OUT, examples, index, held_out)]
    if settings.outside is not None:
        panels.append(quality.outside(settings.outside, finder, settings.held_out))
    return _Ready(rest, finder, teacher, model, index, tuple(panels))


def _split(settings: FinetuneSettings, examples: Examples) -> tuple[Examples, list[str]]:
    """Keep some queries from training; return the examples without them, and their ids."""
    drawn = random.Random(settings.seed)  # noqa: S311 (a sample, no secret)
    held_out = sorted(drawn.sample(sorted(examples.queries), settings.held_out))
    kept = set(held_out)
    queries = {name: text for name, text in examples.queries.items() if name not in kept}
    return replace(examples, queries=queries), held_out


def _measured(
    when: str, ready: _Ready, judge: Callable[[list[tuple[str, str]]], Floats], progress: Callable[[str], None]
) -> dict[str, Figures]:
    result = {}
    for panel in ready.panels:
        found = panel.measure(judge)
        progress(
            f"{when}: {panel.name} nDCG@10 {found.reranked:.4f}, fused {found.fused:.4f}"
            f" (stage one {found.stage_one:.4f})"
        )
        result[panel.name] = found
    return result
