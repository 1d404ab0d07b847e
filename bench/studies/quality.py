"""Measure what each stage finds on a judged collection, through the server.

Starts a server, indexes the folder's corpus, asks its queries over gRPC, and prints recall@50 of stage one and
nDCG@10 of both stages (linear gain). Every query is asked of stage one; `--rerank-queries` of them, drawn with a
seed, of both stages. Documents without a text are left out of the index, and told; judgements of them stay, so they
count as not found. The result is JSON.
"""

import asyncio
import itertools
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

from cyclopts import Parameter

from shortlist.bench import beir, local, measures
from shortlist.client import AsyncClient, SearchResult
from shortlist.client.types import Mode
from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress
from shortlist.server.settings import within

from . import study
from .study import Bundles, each

COLLECTION = "quality"
CANDIDATES = 50
SEED = 0
CONCURRENCY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySettings(Bundles):
    """The settings of one measurement."""

    collection: Annotated[Path, Parameter(metavar="FOLDER")]
    """folder with corpus, queries and qrels (BEIR)"""
    embedder_variant: Annotated[str, Parameter(metavar="NAME")] = "auto"
    """graph of the dual encoder"""
    reranker_variant: Annotated[str, Parameter(metavar="NAME")] = "auto"
    """graph of the cross-encoder"""
    similarity_weight: float | None = None
    """similarity's share in the final order; the bundle's own if not given"""
    margin: float = 2.0
    """stage two reads candidates so near to the best, by cosine; 2: all"""
    rerank_queries: Annotated[int, within(0)] = 1000
    """queries that go through both stages, drawn with a seed; 0: all"""


@dataclass(frozen=True, slots=True)
class Quality:
    """The outcome of one measurement, over queries."""

    collection: str
    documents: int
    without_text: int  # documents that were left out
    queries: int
    recall_at_50: float  # stage one, all queries
    ndcg_at_10_stage_one: float  # all queries
    reranked_queries: int  # how many of them went through both stages
    ndcg_at_10_stage_one_same: float  # stage one on those
    ndcg_at_10_stage_two: float  # stage two on those
    calibration_error: float  # of the scores that stage two gave their candidates
    reranked_candidates: float  # of those queries' 50, the mean number that stage two read
    margin: float  # of cosine, behind the best candidate, that it read; 2: all
    similarity_weight: float | None  # similarity's share in the final order; None: the bundle's own
    embedder: str
    reranker: str
    seconds: float


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("quality", QualitySettings, __doc__, "--collection squad-dev", run)


def run(chosen: QualitySettings) -> int:
    """Measure, print, and return the exit code."""
    try:
        judged = beir.load(chosen.collection)
    except UsageError as error:
        raise UsageError(f"collection: {error}") from None
    variants = ("--embedder-variant", chosen.embedder_variant, "--reranker-variant", chosen.reranker_variant)
    with tempfile.TemporaryDirectory() as folder, local.fresh(*chosen.options, *variants) as address:
        corpus = Path(folder) / "corpus.jsonl"
        beir.write_indexable(judged, corpus)
        if judged.without_text:
            study.show(f"left out, as they have no text: {', '.join(judged.without_text)}")
        index = ("index", "--address", address, "--collection", COLLECTION, str(corpus))
        subprocess.run([local.SHORTLIST, *index], check=True)
        return study.finish(asyncio.run(_measure(address, judged, chosen)))


async def _measure(address: str, judged: beir.Judged, chosen: QualitySettings) -> Quality:
    began = time.monotonic()
    names = sorted(judged.queries)
    count = min(chosen.rerank_queries or len(names), len(names))
    sample = sorted(random.Random(SEED).sample(names, count))  # noqa: S311 (a sample, no secret)
    async with AsyncClient(address, timeout_s=120.0) as client:
        description = await client.describe()
        (collection,) = await client.list_collections()
        dense = await _ask(client, judged, names, "dense", CANDIDATES, chosen)
        both = await _ask(client, judged, sample, "two-stage", CANDIDATES, chosen)
    by_name = dict(zip(names, map(_ids, dense), strict=True))
    return Quality(
        collection=judged.name,
        documents=collection.documents,
        without_text=len(judged.without_text),
        queries=len(names),
        recall_at_50=_mean_recall(judged, names, dense),
        ndcg_at_10_stage_one=_mean_ndcg(judged, names, list(by_name.values())),
        reranked_queries=count,
        ndcg_at_10_stage_one_same=_mean_ndcg(judged, sample, [by_name[name] for name in sample]),
        ndcg_at_10_stage_two=_mean_ndcg(judged, sample, [_ids(result) for result in both]),
        calibration_error=_calibration_error(judged, sample, both),
        reranked_candidates=fmean(result.reranked for result in both),
        margin=chosen.margin,
        similarity_weight=chosen.similarity_weight,
        embedder=f"{description.embedder.source} {description.embedder.variant}",
        reranker=f"{description.reranker.source} {description.reranker.variant}",
        seconds=time.monotonic() - began,
    )


async def _ask(
    client: AsyncClient, judged: beir.Judged, names: list[str], mode: Mode, top_k: int, chosen: QualitySettings
) -> list[SearchResult]:
    """Ask queries, some at a time, and return their results in order; show progress on standard error."""
    done = itertools.count(1)

    async def ask(name: str) -> SearchResult:
        result = await client.search(
            COLLECTION,
            judged.queries[name],
            top_k=top_k,
            candidates=CANDIDATES,
            mode=mode,
            include_text=False,
            include_metadata=False,
            similarity_weight=chosen.similarity_weight if mode == "two-stage" else None,
            margin=chosen.margin,
        )
        progress.update(next(done))
        if result.degraded:
            raise RuntimeError(f"query {name} was cut short; the figures would be wrong")
        return result

    with Progress(sys.stderr, f"{mode}: asked", len(names), noun="question") as progress:
        return await each(ask, names, CONCURRENCY)


def _mean_recall(judged: beir.Judged, names: list[str], results: list[SearchResult]) -> float:
    return fmean(
        measures.recall([hit.id for hit in result.hits], judged.relevant[name], CANDIDATES)
        for name, result in zip(names, results, strict=True)
    )


def _mean_ndcg(judged: beir.Judged, names: list[str], rankings: list[list[str]]) -> float:
    return fmean(measures.ndcg(ranking, judged.relevant[name]) for name, ranking in zip(names, rankings, strict=True))


def _calibration_error(judged: beir.Judged, names: list[str], results: list[SearchResult]) -> float:
    scored = [
        (hit.score, hit.id in judged.relevant[name])
        for name, result in zip(names, results, strict=True)
        for hit in result.hits
        if hit.score is not None
    ]
    return measures.calibration_error([score for score, _ in scored], [relevant for _, relevant in scored])


def _ids(result: SearchResult) -> list[str]:
    return [hit.id for hit in result.hits]


if __name__ == "__main__":
    sys.exit(main())
