"""What an evaluation came to: runs with what each query is worth in them, and what differs. `--json` prints it whole.

A run is one way to rank: stage one alone, or both stages over a number of candidates. The same types read what was
printed, for `--baseline`.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shortlist.bench.beir import Judged
from shortlist.client.types import CandidatesFrom
from shortlist.console.errors import UsageError

from .measures import NDCG, Values
from .significance import Comparison, compare

_COMPARED = (NDCG, "recall@50")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One way to rank, over its queries."""

    name: str
    source: CandidatesFrom  # how stage one found its candidates
    candidates: int | None  # that stage two was given; None: stage one alone
    queries: int
    measures: dict[str, float]  # means over the queries
    ms: float | None  # the median time of a search; None: not timed
    per_query: Values  # by measure and query
    # Of runs of both stages:
    read: float | None = None  # candidates that stage two read, the mean; a margin keeps some out
    lost: float | None = None  # share of the relevant documents that is not among the candidates
    at_best: float | None = None  # nDCG@10 of the candidates in their best order
    calibration_error: float | None = None  # of the scores that stage two gave them
    over_stage_one: Comparison | None = None  # nDCG@10, on the same queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One evaluation."""

    collection: str
    qrels: str
    judgements: str  # a digest of them
    documents: int  # that were searched
    without_text: int  # documents of the corpus that were left out
    itself: int  # queries that are documents too, and do not count as answers to themselves
    queries: int
    embedder: str
    reranker: str
    similarity_weight: float  # in the final order
    margin: float  # of cosine, behind the best candidate, that stage two read; 2: all
    runs: list[Run]
    seconds: float
    over_first: list[Comparison] = dataclasses.field(default_factory=list)  # of other ways to find candidates
    over_baseline: list[Comparison] = dataclasses.field(default_factory=list)

    def as_json(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))


def load(path: Path, judged: Judged) -> Outcome:
    """Read the outcome of another evaluation of the same queries.

    Raises:
        UsageError: the file cannot be read, is something else, or its judgements are others.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Outcome)
    except OSError as error:
        raise UsageError(f"baseline {path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"baseline {path} is not what `shortlist eval --json` prints ({error}); make one with:"
            f" shortlist eval {judged.corpus.parent} --json > {path.name}"
        ) from None
    if found.judgements != judged.digest:
        raise UsageError(
            f"baseline {path} is of {found.collection}, {found.qrels}, whose judgements are not those of"
            f" {judged.qrels}: runs can be compared on the same ones only"
        )
    return found


def over_first(runs: Sequence[Run]) -> list[Comparison]:
    """Compare the runs of every other way to find candidates with those of the first, with as many candidates."""
    first = {one.candidates: one.per_query for one in runs if one.source == runs[0].source}
    return [
        compare(one.name, name, first[one.candidates][name], one.per_query[name])
        for one in runs
        if one.source != runs[0].source
        for name in _COMPARED
        if name in one.per_query
    ]


def compared(runs: Sequence[Run], baseline: Outcome) -> list[Comparison]:
    """Compare every run that the baseline has too, by nDCG@10, and stage one also by its recall@50."""
    others = {one.name: one.per_query for one in baseline.runs}
    return [
        compare(one.name, name, others[one.name][name], one.per_query[name])
        for one in runs
        for name in _COMPARED
        if name in one.per_query and one.per_query[name].keys() & others.get(one.name, {}).get(name, {}).keys()
    ]
