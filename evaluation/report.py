"""What an evaluation shows: a table of each stage, one of what differs from a baseline, and notes."""

from collections.abc import Iterator, Sequence

from shortlist.bench.beir import Judged
from shortlist.console.output import counted
from shortlist.console.progress import duration
from shortlist.console.tables import grid, number

from .measures import CUTS, MRR, NDCG, RECALL
from .outcome import Outcome, Run
from .significance import Comparison

_LEAST_P = 0.001
_LEAST_QUERIES = 50


def tables(found: Outcome) -> Iterator[str]:
    """Yield the lines of all tables."""
    yield f"{found.collection}, {found.qrels}: {counted(found.documents, 'document')}, {_queries(found.queries)}"
    yield (
        f"{found.embedder}; {found.reranker}, similarity's weight {found.similarity_weight:g}; in"
        f" {duration(found.seconds)}"
    )
    alone = [one for one in found.runs if one.candidates is None]
    yield ""
    yield "stage one; its recall is the ceiling of what stage two can find"
    heads = ("stage one", "queries", *(f"recall@{cut}" for cut in CUTS), NDCG, MRR, "ms")
    yield from _lines(heads, [_alone(one) for one in alone])
    yield ""
    reranked = [one for one in found.runs if one.candidates is not None]
    yield f"both stages, {_queries(reranked[0].queries)}; lost: relevant documents that stage one did not bring;"
    yield f"at best: {NDCG} of the candidates' best order; ECE: expected calibration error of the scores"
    heads = (
        "stage one",
        "candidates",
        "read",
        "lost",
        "at best",
        NDCG,
        "over stage one",
        "p",
        MRR,
        RECALL,
        "ECE",
        "ms",
    )
    yield from _lines(heads, [_both(one) for one in reranked])
    if found.over_first:
        first = found.runs[0].source
        yield from _comparisons(f"over {first}, with as many candidates", found.over_first, first, "this")
    if found.over_baseline:
        yield from _comparisons("over the baseline", found.over_baseline, "baseline", "now")


def notes(found: Outcome, judged: Judged, baseline: Outcome | None) -> Iterator[str]:
    """Yield what a reader of the figures should know."""
    if found.without_text:
        yield (
            f"{counted(found.without_text, 'document')} without a text left out, which no index takes; judgements of"
            " them count as not found"
        )
    if found.itself:
        yield f"{_queries(found.itself)} are documents too, and do not count as answers to themselves"
    expected = None if judged.documents is None else judged.documents - found.without_text
    if expected is not None and found.documents != expected:
        yield f"the collection holds {counted(found.documents, 'document')}, and the corpus {expected:,}"
    if found.queries < _LEAST_QUERIES:
        yield f"{_queries(found.queries)} tell little: small differences are chance"
    if baseline and not found.over_baseline:
        there = ", ".join(one.name for one in baseline.runs)
        yield f"the baseline has no run and query in common with this one; its runs are {there}"


def _alone(one: Run) -> tuple[str, ...]:
    recalls = (number(one.measures[f"recall@{cut}"], 4) for cut in CUTS)
    top = (number(one.measures[NDCG], 4), number(one.measures[MRR], 4))
    return (one.source, f"{one.queries:,}", *recalls, *top, number(one.ms, 1))


def _both(one: Run) -> tuple[str, ...]:
    over = one.over_stage_one
    return (
        one.source,
        str(one.candidates),
        number(one.read, 1),
        "-" if one.lost is None else f"{one.lost:.1%}",
        number(one.at_best, 4),
        number(one.measures[NDCG], 4),
        "-" if over is None else _difference(over),
        "-" if over is None else _p(over),
        number(one.measures[MRR], 4),
        number(one.measures[RECALL], 4),
        number(one.calibration_error, 4),
        number(one.ms, 1),
    )


def _comparisons(title: str, found: Sequence[Comparison], before: str, now: str) -> Iterator[str]:
    yield ""
    yield f"{title}; ±: 95% confidence; p of a paired t-test, two-sided"
    heads = ("run", "measure", "queries", before, now, "difference", "p", "better", "worse")
    yield from _lines(heads, [_compared(one) for one in found])


def _compared(one: Comparison) -> tuple[str, ...]:
    means = (number(one.before, 4), number(one.now, 4))
    queries = (str(one.better), str(one.worse))
    return (one.run, one.measure, f"{one.queries:,}", *means, _difference(one), _p(one), *queries)


def _difference(one: Comparison) -> str:
    around = "" if one.low is None or one.high is None else f" ±{(one.high - one.low) / 2:.4f}"
    return f"{one.difference:+.4f}{around}"


def _p(one: Comparison) -> str:
    return "-" if one.p is None else f"<{_LEAST_P}" if one.p < _LEAST_P else f"{one.p:.3f}"


def _queries(count: int) -> str:
    return f"{count:,} {'query' if count == 1 else 'queries'}"


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return grid(heads, rows, right=True)
