"""Measure a reranker on given candidate lists: alone, and with a share of the dual encoder's similarity.

The candidates are a JSON array of objects with `query` and `hits`, each hit with `qid`, `docid` and `content`, best
first, as TREC DL baselines publish them; qrels are those of trec_eval. Every list is scored through the server, and
ordered by its own order, by similarity, by score, and by both in several shares. nDCG@10 with linear gain; queries
without a relevant document are left out. The result is JSON.
"""

import asyncio
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from shortlist.bench import candidates, local, measures
from shortlist.bench.candidates import Candidates
from shortlist.bench.concurrency import each
from shortlist.client import AsyncClient
from shortlist.console.errors import UsageError
from shortlist.server import fusion
from shortlist.server.errors import shown
from shortlist.server.fusion import Fusion

from . import study
from .study import Bundles

WEIGHTS = (2, 4, 6, 8, 10, 12, 16, 24)
CONCURRENCY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLists(Bundles):
    """The settings of every study of judged lists."""

    candidates: Annotated[Path, Parameter(metavar="FILE")]
    """JSON file with the lists"""
    qrels: Annotated[Path, Parameter(metavar="FILE")]
    """judgements: query, unused, document, grade"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankingSettings(JudgedLists):
    """The settings of one measurement."""

    reranker_variant: str = "auto"
    """graph of the reranker"""


@dataclass(frozen=True, slots=True)
class Reranking:
    """The outcome: nDCG@10 of each way to order the same lists."""

    candidates: str
    queries: int
    as_given: float
    by_similarity: float
    by_score: float
    fused: dict[str, float]  # weight of the similarity -> nDCG@10
    embedder: str
    reranker: str


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("reranking", RerankingSettings, __doc__, "--candidates lists.json --qrels qrels.txt", run)


def run(chosen: RerankingSettings) -> int:
    """Measure, print, and return the exit code."""
    lists = read(chosen.candidates, chosen.qrels)
    with local.fresh(*chosen.options, "--reranker-variant", chosen.reranker_variant) as address:
        return study.finish(asyncio.run(_measure(address, chosen.candidates.name, lists)))


def read(path: Path, qrels: Path) -> list[Candidates]:
    """Read the lists of those queries that have a relevant document in the qrels.

    Raises:
        UsageError: a file cannot be read or is something else, or they have no query in common.
    """
    grades = _grades(qrels)
    found = [replace(one, grades=grades[one.name]) for one in candidates.read(path) if one.name in grades]
    if not found:
        raise UsageError(
            f"qrels {qrels} judge no query of candidates {path} relevant; give the qrels of these queries"
        )
    return found


def _grades(qrels: Path) -> dict[str, dict[str, int]]:
    """Return the relevant documents' grades by query."""
    grades: dict[str, dict[str, int]] = {}
    try:
        lines = qrels.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"qrels {qrels} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise UsageError(f"qrels {qrels} is not UTF-8 text; convert it first") from None
    for number, line in enumerate(lines, 1):
        try:
            query, _, document, grade = line.split()
            value = int(grade)
        except ValueError:
            raise UsageError(
                f"qrels {qrels}, line {number} is {shown(line)}, but it must be a query, a column that is not used,"
                " a document and a whole number as its grade, such as: 7 Q0 d1 2"
            ) from None
        if value > 0:
            grades.setdefault(query, {})[document] = value
    return grades


async def _measure(address: str, name: str, lists: list[Candidates]) -> Reranking:
    async with AsyncClient(address, timeout_s=300.0) as client:
        description = await client.describe()

        async def score(one: Candidates) -> tuple[NDArray[np.float32], list[float]]:
            ranked = await client.rerank(one.query, one.texts)
            query = await client.embed([one.query], kind="query")
            texts = await client.embed(one.texts)
            logits = np.zeros(len(one.texts), np.float32)
            for result in ranked.results:
                logits[result.index] = _logit(result.score)
            return logits, (np.asarray(texts.vectors) @ np.asarray(query.vectors)[0]).tolist()

        scored = await each(score, lists, CONCURRENCY)

    def mean(weight: float) -> float:
        return _mean(lists, [_order(Fusion(weight).logits(logits, near)) for logits, near in scored])

    return Reranking(
        candidates=name,
        queries=len(lists),
        as_given=_mean(lists, [list(range(len(one.ids))) for one in lists]),
        by_similarity=_mean(lists, [_order(np.array(near, np.float32)) for _, near in scored]),
        by_score=mean(0.0),
        fused={str(weight): mean(weight) for weight in WEIGHTS},
        embedder=f"{description.embedder.source} {description.embedder.variant}",
        reranker=f"{description.reranker.source} {description.reranker.variant}",
    )


def _mean(lists: list[Candidates], orders: list[list[int]]) -> float:
    return fmean(
        measures.ndcg([one.ids[place] for place in order], one.grades)
        for one, order in zip(lists, orders, strict=True)
    )


def _order(worth: NDArray[np.float32]) -> list[int]:
    return fusion.order(worth, np.ones(len(worth), np.bool_))


def _logit(score: float | None) -> float:
    """Return the logit of a score; of 32 bits, a score near 0 or 1 is as far from it as they tell."""
    if score is None:
        raise RuntimeError("the server left a candidate without a score; the figures would be wrong")
    share = min(max(score, float(np.finfo(np.float32).tiny)), 1 - float(np.finfo(np.float32).epsneg))
    return math.log(share / (1 - share))


if __name__ == "__main__":
    sys.exit(main())
