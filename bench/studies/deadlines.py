"""Measure what deadlines cost: whether answers come inside them, and how good they are.

Starts a server, and has several clients at once rerank the lists of a TREC DL candidates file (100 passages each)
under one deadline after another. What the deadline does not allow keeps the file's order, so nDCG@10 (linear gain)
goes from that order's to the reranker's. An answer counts as in time if the client has it before its deadline.
`--plot` draws the result.
"""

import asyncio
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import ClassVar

from shortlist.bench import command, local, measures
from shortlist.bench.candidates import Candidates
from shortlist.bench.settings import check_plot
from shortlist.client import AsyncClient, DeadlineExceeded
from shortlist.console.extras import needs

from .reranking import JudgedLists, read

DEADLINES_MS = (50, 100, 200, 350, 500, 700, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinesSettings(JudgedLists):
    """The settings of one measurement."""

    least: ClassVar = {"clients": 1, "passes": 1}

    clients: int = field(default=4, metadata={"help": "requests under way"})
    passes: int = field(default=3, metadata={"help": "times each list is sent"})
    plot: Path | None = field(default=None, metadata={"help": "draw the result into this PNG", "metavar": "FILE.png"})
    json: bool = field(default=False, metadata=command.JSON)

    def __post_init__(self) -> None:
        """Refuse what cannot be measured or drawn."""
        JudgedLists.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
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
    return command.main(
        "bench.studies.deadlines",
        DeadlinesSettings,
        __doc__,
        "  python -m shortlist.bench.studies.deadlines --candidates lists.json --qrels qrels.txt \\\n"
        "    --embedder .demo/embedder --reranker .demo/reranker --plot deadlines.png",
        run,
    )


def run(chosen: DeadlinesSettings) -> int:
    """Measure, print, draw, and return the exit code."""
    if chosen.plot:
        with needs("bench.deadlines --plot", "bench"):
            importlib.import_module("matplotlib")
    lists = read(chosen.candidates, chosen.qrels)
    with local.fresh(*chosen.models, "--log-level", "warning") as address:
        show = partial(command.show, beside_json=chosen.json)
        levels = asyncio.run(_measure(address, lists, chosen.clients, chosen.passes, show))
    if chosen.plot:
        _draw(levels, chosen.clients, chosen.plot)
    if chosen.json:
        command.result({"clients": chosen.clients, "levels": [asdict(level) for level in levels]})
    return command.OK


async def _measure(
    address: str, lists: list[Candidates], clients: int, passes: int, show: Callable[[str], None]
) -> list[DeadlineFigures]:
    levels = []
    show("deadline ms  requests  in time  refused  reranked  nDCG@10  p50 ms  worst ms")
    async with AsyncClient(address) as client:
        # The first calls also open the connection and start threads; they are not counted.
        await asyncio.gather(*(client.rerank(one.query, one.texts) for one in lists[:clients]))
        for deadline_ms in DEADLINES_MS:
            answers: list[Answer] = []
            todo = iter(lists * passes)
            async with asyncio.TaskGroup() as group:
                for _ in range(clients):
                    group.create_task(_ask(client, todo, deadline_ms, answers))
            level = summary(deadline_ms, answers)
            levels.append(level)
            show(
                f"{deadline_ms:11}  {level.requests:8}  {level.in_time:7.3f}  {level.refused:7.3f}"
                f"  {level.reranked:8.1f}  {level.ndcg_at_10:7.4f}  {level.p50_ms:6.0f}  {level.worst_ms:8.0f}"
            )
    return levels


async def _ask(client: AsyncClient, todo: Iterator[Candidates], deadline_ms: int, answers: list[Answer]) -> None:
    """Send lists as one client does, each when the last is answered."""
    for one in todo:
        began = time.perf_counter()
        try:
            result = await client.rerank(one.query, one.texts, timeout_s=deadline_ms / 1000)
        except DeadlineExceeded:
            answers.append(Answer(1000 * (time.perf_counter() - began), 0, 0.0, answered=False))
            continue
        took_ms = 1000 * (time.perf_counter() - began)
        ranking = [one.ids[entry.index] for entry in result.results]
        answers.append(Answer(took_ms, result.reranked, measures.ndcg(ranking, one.grades), answered=True))


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
    from matplotlib.figure import Figure  # noqa: PLC0415 (only a plot wants it)

    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    deadlines = [level.deadline_ms for level in levels]
    axes.plot(deadlines, [level.ndcg_at_10 for level in levels], color="#2a6f97", marker="o", linewidth=1.8)
    for level in levels:
        told = f"{level.reranked:.0f} of 100"
        axes.annotate(told, (level.deadline_ms, level.ndcg_at_10), (4, -14), textcoords="offset points", fontsize=8)
    axes.set_xlabel(f"deadline, ms; at the points: passages scored in time ({clients} clients)")
    axes.set_ylabel("nDCG@10, TREC DL 2019")
    axes.grid(visible=True, color="#e5e5e5", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
