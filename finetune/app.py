"""`shortlist finetune`: from judged queries to weights and their model card.

    read and check -> hold out -> load -> measure -> lists -> train -> measure -> write

Whatever can be refused is refused before the first step of training.
"""

import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sentence_transformers import CrossEncoder
from transformers import set_seed

from shortlist.export import source
from shortlist.finetune import card, lists, models, quality, reading, training
from shortlist.finetune.errors import FinetuneError
from shortlist.finetune.lists import Index
from shortlist.finetune.quality import Figures, Panel
from shortlist.finetune.reading import Examples
from shortlist.finetune.settings import FinetuneSettings

CARD = "README.md"
HELD_OUT = "held-out"


def run(settings: FinetuneSettings, progress: Callable[[str], None]) -> dict[str, object]:
    """Fine-tune a cross-encoder.

    Args:
        settings: what to train on what.
        progress: takes one line a step.

    Returns:
        The figures before and after, by set of queries.

    Raises:
        FinetuneError: the data, a model or the output's folder cannot be used; nothing was trained.
    """
    if (settings.out / CARD).exists():
        raise FinetuneError(f"{settings.out} holds a finished model; name another folder with --out")
    examples = reading.read(settings)
    base = source.resolve(settings.base)
    training.claim(settings)
    set_seed(settings.seed)
    finder = models.embedder(settings, base)
    teacher = models.teacher(settings, finder)
    model = models.student(settings, base)
    progress(f"Embedding {len(examples.documents)} documents")
    index = Index(finder, examples.documents)
    rest, held_out = _split(settings, examples)
    panels = [Panel(HELD_OUT, examples, index, held_out)]
    if settings.outside is not None:
        panels.append(quality.outside(settings.outside, finder, settings.held_out))

    began = time.monotonic()
    before = _measured("Before", model, panels, progress)
    made = lists.make(settings, rest, index, teacher, progress)
    steps = training.train(settings, model, made, quality.Evaluator(panels), progress)
    after = _measured("After", model, panels, progress)
    told = card.Run(
        base=settings.base,
        teacher=teacher.name,
        embedder=finder.name,
        data=_data(settings),
        licence=settings.licence,
        queries=len(rest.queries),
        documents=len(rest.documents),
        lists=len(made),
        pairs=sum(len(one.passages) for one in made),
        steps=steps,
        seconds=time.monotonic() - began,
        weights=models.trainable(model),
        settings=training.shown(settings),
        before=before,
        after=after,
    )
    models.save(model, settings.out)
    (settings.out / CARD).write_text(card.write(told), encoding="utf-8")
    shutil.rmtree(settings.out / "checkpoints")
    return card.figures(told)


def _split(settings: FinetuneSettings, examples: Examples) -> tuple[Examples, list[str]]:
    """Keep some queries from training; return the examples without them, and their ids."""
    drawn = random.Random(settings.seed)  # noqa: S311 (a sample, no secret)
    held_out = sorted(drawn.sample(sorted(examples.queries), settings.held_out))
    kept = set(held_out)
    queries = {name: text for name, text in examples.queries.items() if name not in kept}
    return replace(examples, queries=queries), held_out


def _measured(
    when: str, model: CrossEncoder, panels: Sequence[Panel], progress: Callable[[str], None]
) -> dict[str, Figures]:
    result = {}
    for panel in panels:
        found = panel.measure(model)
        progress(
            f"{when}: {panel.name} nDCG@10 {found.reranked:.4f}, blended {found.blended:.4f}"
            f" (stage one {found.stage_one:.4f})"
        )
        result[panel.name] = found
    return result


def _data(settings: FinetuneSettings) -> str:
    path = settings.pairs or settings.queries
    return Path(str(path)).resolve().parent.name if settings.pairs is None else Path(str(path)).name
