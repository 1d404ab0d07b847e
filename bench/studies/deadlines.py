"""Measure what deadlines cost: whether answers come inside them, and how good they are.

Starts a server, and has several clients at once rerank the lists of a TREC DL candidates file (100 passages each)
under one deadline after another. What the deadline does not allow keeps the file's order, so nDCG@10 (linear gain)
goes from that order's to the reranker's. An answer counts as in time if the client has it before its deadline.
`--plot` draws the result.
"""

import asyncio
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

from cyclopts import Parameter

from shortlist.bench import local, measures
from shortlist.bench.candidates import Candidates
from shortlist.bench.concurrency import each
from shortlist.bench.settings import check_plot
from shortlist.client import AsyncClient, DeadlineExceeded
from shortlist.console.extras import needs
from shortlist.server.settings import within

from . import study
from .reranking import JudgedLists, read

DEADLINES_MS = (50, 100, 200, 350, 500, 700, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinesSettings(JudgedLists):
    """The settings of one measurement."""

    clients: Annotated[int, within(1)] = 4
    """requests under way"""
    passes: Annotated[int, within(1)] = 3
    """times each list is sent"""
    plot: Annotated[Path | None, Parameter(metavar="FILE.png")] = None
    """draw the result into this PNG or SVG"""

    def __post_init__(self) -> None:
        """Refuse what cannot be measured or drawn."""
        if self.plot:
            check_plot(self.plot)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request."""

    took_ms: float
    reranked: int
    ndcg: float  # 0 where there was no answer
    answered: bool


@dataclass(frozen=True, slots=True)
class DeadlineFigures:
    """The outcome under one deadline."""

    deadline_ms: int
    requests: int
    in_time: float  # share
    refused: float  # share that got DEADLINE_EXCEEDED
    reranked: float  # mean, of those answered
    ndcg_at_10: float  # mean, of those answered
    p50_ms: float
    worst_ms: float


def main() -> int:
    """Measure and print; return the exit code."""
    options = "--candidates lists.json --qrels qrels.txt --plot deadlines.png"
    return study.main("deadlines", DeadlinesSettings, __doc__, options, run)


def run(chosen: DeadlinesSettings) -> int:
    """Measure, print, draw, and return the exit code."""
    if chosen.plot:
        with needs("bench.deadlines --plot", "bench"):
            import matplotlib  # noqa: F401, ICN001, PLC0415 (only a plot wants it)
    lists = read(chosen.candidates, chosen.qrels)
    with local.fresh(*chosen.options) as address:
        levels = asyncio.run(_measure(address, lists, chosen))
    if chosen.plot:
        _draw(levels, chosen.clients, chosen.plot)
    return study.finish({"clients": chosen.clients, "levels": levels})


async def _measure(address: str, lists: list[Candidates], chosen: DeadlinesSettings) -> list[DeadlineFigures]:
    levels = []
    async with AsyncClient(address) as client:
        # The first calls also open the connection and start threads; they are not counted.
        await each(lambda one: client.rerank(one.query, one.texts), lists[: chosen.clients], chosen.clients)

        async def ask(one: Candidates) -> Answer:
            began = time.perf_counter()
            try:
                result = await client.rerank(one.query, one.texts, timeout_s=deadline_ms / 1000)
            except DeadlineExceeded:
                return Answer(1000 * (time.perf_counter() - began), 0, 0.0, answered=False)
            took_ms = 1000 * (time.perf_counter() - began)
            ranking = [one.ids[entry.index] for entry in result.results]
            return Answer(took_ms, result.reranked, measures.ndcg(ranking, one.grades), answered=True)

        for deadline_ms in DEADLINES_MS:
            answers = await each(ask, lists * chosen.passes, chosen.clients)
            levels.append(level := summary(deadline_ms, answers))
            study.row(asdict(level))
    return levels


def summary(deadline_ms: int, answers: list[Answer]) -> DeadlineFigures:
    """Return what the answers under one deadline came to."""
    answered = [one for one in answers if one.answered]
    took = sorted(one.took_ms for one in answers)
    return DeadlineFigures(
        deadline_ms=deadline_ms,
        requests=len(answers),
        in_time=sum(one.took_ms <= deadline_ms for one in answered) / len(answers),
        refused=1 - len(answered) / len(answers),
        reranked=fmean(one.reranked for one in answered) if answered else 0.0,
        ndcg_at_10=fmean(one.ndcg for one in answered) if answered else 0.0,
        p50_ms=took[len(took) // 2],
        worst_ms=took[-1],
    )


def _draw(levels: list[DeadlineFigures], clients: int, path: Path) -> None:
    from shortlist.bench import plot  # noqa: PLC0415 (the base install does not have what it imports)

    figure, axes = plot.panel()
    deadlines = [level.deadline_ms for level in levels]
    axes.plot(deadlines, [level.ndcg_at_10 for level in levels], color="#2a6f97", marker="o", linewidth=1.8)
    for level in levels:
        told = f"{level.reranked:.0f} of 100"
        axes.annotate(told, (level.deadline_ms, level.ndcg_at_10), (4, -14), textcoords="offset points", fontsize=8)
    axes.set_xlabel(f"deadline, ms; at the points: passages scored in time ({clients} clients)")
    axes.set_ylabel("nDCG@10, TREC DL 2019")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
