"""The model card: what was trained on what, how, and what it is worth, in the words of the run itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal

from . import training
from .calibration import Calibration
from .quality import CANDIDATES, Figures
from .settings import FinetuneSettings

When = Literal["teacher", "before", "after"]  # who was measured: the teacher itself, and the model twice

_TOOLS = ("sentence-transformers", "transformers", "peft", "torch")
_CARD = """\
---
base_model: {base_model}
license: {license}
library_name: {library}
tags: {words.tags}
---

# {words.title} fine-tuned from {base}

Made by `shortlist finetune` on {date}. {words.reads} `shortlist export` turns it into a bundle{merged}.

## Data

| set | queries | documents | weight |
|---|---|---|---|
{data}

Licence: {licence}. {run.lists} lists ({run.pairs} pairs) were made of them. Candidates come from the dual encoder
{run.embedder}; {taught}.

## Figures

nDCG@10, linear gain, the embedder's best {candidates} candidates reranked. Queries that were held out were kept from
training. A set of another domain shows what the model knows beyond its own data.

{rows}

{scores}

## Training

{run.steps} steps in {minutes:.0f} minutes, {run.weights:,} weights trained. ListNet loss over labels and
teacher. {tools}.

```json
{settings}
```
"""
_CALIBRATED = """\
Fused is the order by logit and similarity. Scores are calibrated on the held-out queries' candidates: the logit times
{factor:.4f}, and {offset:+.4f}, both in the head's weights; in the final order a similarity counts
{fusion.weight:.2f} times what it is above {fusion.center:.3f}. The calibration error is the expected one of both
together, over ten bins; that of a set of another domain is of scores that were not fitted on it."""
_ONLY_ORDERS = (
    "Scores only order the passages of one query: nothing was fitted by which they would mean a probability."
)


@dataclass(frozen=True, slots=True)
class _Words:
    """How a card speaks of a kind of model."""

    tags: str
    title: str
    reads: str


_WORDS = {
    "reranker": _Words(
        "[cross-encoder, reranker, text-ranking]",
        "A cross-encoder",
        "It reads a query and a passage together and gives one logit; its sigmoid is\nthe score.",
    ),
    "late-interaction": _Words(
        "[late-interaction, ColBERT, MultiVectorEncoder]",
        "A late-interaction model",
        "It makes a vector of {dimensions} elements of each token of\na text, without markers and query expansion;"
        " punctuation of documents does not count. The score is MaxSim.",
    ),
}


@dataclass(frozen=True, slots=True)
class Trained:
    """A set that was trained on."""

    name: str
    weight: float  # 0: its number of queries
    queries: int
    documents: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a card says of a training run."""

    teacher: str  # empty: nobody was asked
    embedder: str
    sets: tuple[Trained, ...]
    lists: int
    pairs: int
    steps: int
    seconds: float
    weights: int
    calibration: Calibration | None  # None: scores only order
    figures: Mapping[When, Mapping[str, Figures]]  # by set of queries


def write(settings: FinetuneSettings, run: Run) -> str:
    """Return the card as Markdown, with the head that model hubs read."""
    words, fitted = _WORDS[settings.kind], run.calibration
    return _CARD.format(
        run=run,
        words=replace(words, reads=words.reads.format(dimensions=settings.dimensions)),
        scores=_ONLY_ORDERS
        if fitted is None
        else _CALIBRATED.format(factor=fitted.factor, offset=fitted.offset, fusion=fitted.fusion),
        base=settings.base,
        base_model=json.dumps(settings.base),
        license=json.dumps(settings.licence or "unknown"),
        licence=settings.licence or "not given",
        library="sentence-transformers" if settings.full else "peft",
        merged="" if settings.full else ", merged into its base",
        data="\n".join(
            f"| {one.name} | {one.queries} | {one.documents} | {one.weight or one.queries:g} |" for one in run.sets
        ),
        taught=f"the order that was distilled is that of {run.teacher}" if run.teacher else "no order was distilled",
        date=datetime.now(UTC).date().isoformat(),
        candidates=CANDIDATES,
        rows=_rows(run),
        minutes=run.seconds / 60,
        tools=", ".join(f"{name} {version(name)}" for name in _TOOLS),
        settings=json.dumps(training.shown(settings), indent=2),
    )


def _rows(run: Run) -> str:
    """Return the table of figures; where scores only order, without the columns that speak of scores."""
    teacher, before = run.figures.get("teacher"), run.figures["before"]
    head = ["queries", "stage one", "teacher", "before", "after", "after, fused", "calibration error, after"]
    rows = []
    for name, after in run.figures["after"].items():
        taught = teacher[name].reranked if teacher else None
        numbers = (
            after.stage_one,
            taught,
            before[name].reranked,
            after.reranked,
            after.fused,
            after.calibration_error,
        )
        rows.append([name, *("" if one is None else f"{one:.3f}" for one in numbers)])
    width = len(head) if run.calibration is not None else len(head) - 2
    return "\n".join(f"| {' | '.join(row[:width])} |" for row in (head, ["---"] * width, *rows))
