"""The model card: what was trained on what, how, and what it is worth, in the words of the run itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
tags: [cross-encoder, reranker, text-ranking]
---

# A cross-encoder fine-tuned from {base}

Made by `shortlist finetune` on {date}. It reads a query and a passage together and gives one logit; its sigmoid is
the score. `shortlist export` turns it into a bundle{merged}.

## Data

| set | queries | documents | weight |
|---|---|---|---|
{data}

Licence: {licence}. {run.lists} lists ({run.pairs} pairs) were made of them. Candidates come from the dual encoder
{run.embedder}; {taught}.

## Figures

nDCG@10, linear gain, the embedder's best {candidates} candidates reranked; fused: with the similarity
beside the logit. Queries that were held out were kept from training. A set of another domain shows what
the model knows beyond its own data.

| queries | stage one | teacher | before | after | after, fused | calibration error, after |
|---|---|---|---|---|---|---|
{rows}

Scores are calibrated on the held-out queries' candidates: the logit times {run.calibration.factor:.4f}, and
{run.calibration.offset:+.4f}, both in the head's weights; in the final order a similarity counts
{run.calibration.fusion.weight:.2f} times what it is above {run.calibration.fusion.center:.3f}. The calibration error
is the expected one of both together, over ten bins; that of a set of another domain is of scores that were not
fitted on it.

## Training

{run.steps} steps in {minutes:.0f} minutes, {run.weights:,} weights trained. ListNet loss over labels and
teacher. {tools}.

```json
{settings}
```
"""


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
    calibration: Calibration
    figures: Mapping[When, Mapping[str, Figures]]  # by set of queries


def write(settings: FinetuneSettings, run: Run) -> str:
    """Return the card as Markdown, with the head that model hubs read."""
    return _CARD.format(
        run=run,
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
    teacher, before = run.figures.get("teacher"), run.figures["before"]
    return "\n".join(
        f"| {name} | {after.stage_one:.3f} | {f'{teacher[name].reranked:.3f}' if teacher else ''}"
        f" | {before[name].reranked:.3f}"
        f" | {after.reranked:.3f} | {after.fused:.3f} | {after.calibration_error:.3f} |"
        for name, after in run.figures["after"].items()
    )
