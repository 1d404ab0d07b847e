"""What a model, or its teacher, is worth: nDCG@10 on queries kept from training, beside what stage one had.

The candidates are the embedder's, as in the server. Beside the reranked order stands the fused one, with the
similarity beside the logit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.model import BaseModel

from shortlist.bench import beir, measures
from shortlist.console.errors import UsageError
from shortlist.server import fusion
from shortlist.server.fusion import Fusion

from . import models, reading
from .candidates import Finder, Index
from .errors import FinetuneError
from .models import Floats
from .reading import Examples

CANDIDATES = 30
ALONE = Fusion()  # the order of the logits

Judge = Callable[[list[tuple[str, str]]], Floats]  # a logit for each query and passage


@dataclass(frozen=True, slots=True)
class Figures:
    """The nDCG@10 of one set of queries, and how far the scores are from what they say, if they are to say it."""

    stage_one: float
    reranked: float
    fused: float | None = None
    calibration_error: float | None = None  # of the relevance, over all candidates


@dataclass(frozen=True, slots=True)
class _Asked:
    """A judged query with its candidates."""

    query: str
    ids: list[str]
    passages: list[str]
    similarities: Floats
    grades: dict[str, int]


class Panel:
    """A set of judged queries with their candidates."""

    def __init__(self, name: str, index: Index, queries: Sequence[str]) -> None:
        """Find the candidates of these queries, once for all measurements."""
        self.name = name
        examples = index.examples
        found = index.search([examples.queries[query] for query in queries], CANDIDATES)
        self._asked = [
            _Asked(
                examples.queries[query],
                ids,
                [examples.documents[each] for each in ids],
                similarities,
                examples.relevant[query],
            )
            for query, (ids, similarities) in zip(queries, found, strict=True)
        ]

    def logits(self, judge: Judge) -> Floats:
        """Return what somebody says of every candidate, query by query: float32 [candidates]."""
        return judge([(one.query, passage) for one in self._asked for passage in one.passages])

    def relevant(self) -> NDArray[np.bool_]:
        """Return which of these candidates are judged relevant: bool [candidates]."""
        return np.array([name in one.grades for one in self._asked for name in one.ids], np.bool_)

    def similarities(self) -> Floats:
        """Return the similarities of these candidates: float32 [candidates]."""
        return np.concatenate([one.similarities for one in self._asked])

    def measure(self, logits: Floats, fused: Fusion | None = None) -> Figures:
        """Order all candidates by what somebody said of them, alone and with the similarity, and compare.

        Without `fused` these are no logits, and only the order that they give counts.
        """
        near = self.similarities()
        stage_one, reranked = (fmean(self._ndcg(worth)) for worth in (near, logits))
        if fused is None:
            return Figures(round(stage_one, 4), round(reranked, 4))
        both = fused.logits(logits, near.tolist())
        error = measures.calibration_error(fusion.scores(both).tolist(), self.relevant().tolist())
        return Figures(*(round(value, 4) for value in (stage_one, reranked, fmean(self._ndcg(both)), error)))

    def _ndcg(self, worth: Floats) -> Iterator[float]:
        """Yield what an order is worth, query by query."""
        ends = np.cumsum([len(one.ids) for one in self._asked])[:-1]
        for one, part in zip(self._asked, np.split(worth, ends), strict=True):
            order = fusion.order(part, np.ones(len(part), np.bool_))
            yield measures.ndcg([one.ids[place] for place in order], one.grades)


def outside(folder: Path, finder: Finder, most: int) -> Panel:
    """Read a collection of another domain; the first `most` of its judged queries are asked.

    Raises:
        FinetuneError: it is not there or malformed.
    """
    try:
        judged = beir.load(folder)
    except UsageError as error:
        raise FinetuneError(f"outside: {error}") from error
    documents, _ = reading.read_corpus(judged.corpus)
    index = Index(finder, Examples(judged.queries, documents, judged.relevant))
    return Panel(judged.name, index, list(judged.queries)[:most])


class Evaluator(BaseEvaluator):
    """The measurement of panels during training; the mean of them decides which checkpoint is the best."""

    def __init__(self, panels: Sequence[Panel], judge: Judge) -> None:
        """Keep the panels, and what the model that is trained says of pairs."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._panels = panels
        self._judge = judge
        self.primary_metric = metric("mean")

    def __call__(self, model: BaseModel, *_: Any, **__: Any) -> dict[str, float]:
        """Return nDCG@10 of the reranked order by panel, and their mean."""
        with models.quickly(model.device):
            said = [panel.logits(self._judge) for panel in self._panels]
        found = {
            metric(panel.name): panel.measure(one).reranked for panel, one in zip(self._panels, said, strict=True)
        }
        return {**found, metric("mean"): fmean(found.values())}


def metric(panel: str) -> str:
    """Return what the trainer calls a panel's figure."""
    return f"{panel}_ndcg@10"
