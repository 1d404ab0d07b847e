"""The model card: what was trained on what, how, and what it is worth, in the words of the run itself."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from .quality import CANDIDATES, Figures

_TOOLS = ("sentence-transformers", "transformers", "peft", "torch")


@dataclass(frozen=True, slots=True)
class Run:
    """What a card says of a training run."""

    base: str
    teacher: str
    embedder: str
    data: str
    licence: str
    queries: int
    documents: int
    lists: int
    pairs: int
    steps: int
    seconds: float
    weights: int
    settings: Mapping[str, object]
    taught: Mapping[str, Figures]  # what the teacher itself is worth
    before: Mapping[str, Figures]
    after: Mapping[str, Figures]


def write(run: Run) -> str:
    """Return the card as Markdown, with the head that model hubs read."""
    date = datetime.now(UTC).date().isoformat()
    tools = ", ".join(f"{name} {version(name)}" for name in _TOOLS)
    return f"""\
---
base_model: {json.dumps(run.base)}
license: {json.dumps(run.licence or "unknown")}
library_name: {"sentence-transformers" if run.settings["full"] else "peft"}
tags: [cross-encoder, reranker, text-ranking]
---

# A cross-encoder fine-tuned from {run.base}

Made by `shortlist finetune` on {date}. It reads a query and a passage together and gives one logit; its sigmoid is
the score. `shortlist export` turns it into a bundle{"" if run.settings["full"] else ", merged into its base"}.

## Data

{run.data}: {run.queries} queries over {run.documents} documents; licence: {run.licence or "not given"}.
{run.lists} lists ({run.pairs} pairs) were made of them. Candidates come from the dual encoder {run.embedder}; the
order that was distilled is that of {run.teacher}.

## Figures

nDCG@10, linear gain, the embedder's best {CANDIDATES} candidates reranked; fused: z-scores of logit and
similarity, added. Queries of `held-out` were kept from training. A set of another domain shows what the model knows
beyond its own data.

| queries | stage one | teacher | before | after | after, fused |
|---|---|---|---|---|---|
{_rows(run)}

## Training

{run.steps} steps in {run.seconds / 60:.0f} minutes, {run.weights:,} weights trained. ListNet loss over labels and
teacher. {tools}.

```json
{json.dumps(dict(run.settings), indent=2)}
```
"""


def figures(run: Run) -> dict[str, object]:
    """Return the figures for a machine."""
    return {
        "teacher": {name: asdict(found) for name, found in run.taught.items()},
        "before": {name: asdict(found) for name, found in run.before.items()},
        "after": {name: asdict(found) for name, found in run.after.items()},
    }


def _rows(run: Run) -> str:
    return "\n".join(
        f"| {name} | {after.stage_one:.3f} | {run.taught[name].reranked:.3f} | {run.before[name].reranked:.3f}"
        f" | {after.reranked:.3f} | {after.fused:.3f} |"
        for name, after in run.after.items()
    )
