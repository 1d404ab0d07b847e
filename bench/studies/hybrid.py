"""Measure what words add to vectors: candidates by similarity, by words and by both, on judged collections.

Starts a server for each folder, indexes its corpus, and asks some of its queries over gRPC, drawn with a seed. Of
each way to find candidates it prints recall@50 of what stage two would read (of both, half and half), nDCG@10 of
stage one's order (of both, fused by their scores and by their places), and nDCG@10 after stage two has read 50.
Documents without a text are left out of the index. Each folder's rows are shown as they are measured; the result is
JSON.
"""

import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

from cyclopts import Parameter

from shortlist.bench import beir, local, measures
from shortlist.bench.concurrency import each
from shortlist.client import AsyncClient
from shortlist.client.types import CandidatesFrom, Mode
from shortlist.server.settings import within

from . import study
from .study import Bundles

COLLECTION = "hybrid"
CANDIDATES = 50
SEED = 0
CONCURRENCY = 4
SOURCES: tuple[CandidatesFrom, ...] = ("dense", "lexical", "hybrid")


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridSettings(Bundles):
    """The settings of the measurement."""

    collections: Annotated[tuple[Path, ...], Parameter(metavar="FOLDER,FOLDER")]
    """folders with corpus, queries and qrels (BEIR)"""
    queries: Annotated[int, within(1)] = 200
    """queries of each, at most"""
    rerank_queries: Annotated[int, within(0)] = 200
    """how many of them go through stage two"""
    without_kind: str = ""
    """leave out queries whose kind holds this"""
    language: str = "english"
    """of the collections"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each way to find candidates came to on one collection, by the way's name."""

    collection: str
    documents: int
    queries: int
    recall_at_50: dict[str, float]
    ndcg_at_10_stage_one: dict[str, float]
    reranked_queries: int
    ndcg_at_10_stage_two: dict[str, float]
    embedder: str
    reranker: str


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("hybrid", HybridSettings, __doc__, "--collections squad-dev,cranfield", run)


def run(chosen: HybridSettings) -> int:
    """Measure, print, and return the exit code."""
    outcomes = [_measured(folder, chosen) for folder in chosen.collections]
    return study.finish(outcomes)


def _measured(folder: Path, chosen: HybridSettings) -> Outcome:
    """Index one folder and ask its queries."""
    judged = beir.load(folder)
    names = _names(folder, judged, chosen)
    with tempfile.TemporaryDirectory() as temporary, local.fresh(*chosen.options) as address:
        corpus = Path(temporary) / "corpus.jsonl"
        beir.write_indexable(judged, corpus)
        index = ("index", "--address", address, "--collection", COLLECTION, "--language", chosen.language)
        subprocess.run([local.SHORTLIST, *index, "--patience-s", "3600", str(corpus)], check=True)
        outcome = asyncio.run(_asked(address, judged, names, chosen))
    study.row({"collection": outcome.collection, "documents": outcome.documents, "queries": outcome.queries})
    study.row({"recall@50:": "", **outcome.recall_at_50})
    study.row({"nDCG@10 of stage one:": "", **outcome.ndcg_at_10_stage_one})
    study.row({"nDCG@10 after stage two:": "", **outcome.ndcg_at_10_stage_two})
    return outcome


def _names(folder: Path, judged: beir.Judged, chosen: HybridSettings) -> list[str]:
    """Draw the queries to ask."""
    with (folder / "queries.jsonl").open(encoding="utf-8") as stream:
        kinds = {entry["_id"]: entry.get("kind", "") for entry in map(json.loads, stream)}
    names = sorted(
        name for name in judged.queries if not chosen.without_kind or chosen.without_kind not in kinds[name]
    )
    return sorted(random.Random(SEED).sample(names, min(chosen.queries, len(names))))  # noqa: S311 (a sample)


async def _asked(address: str, judged: beir.Judged, names: Sequence[str], chosen: HybridSettings) -> Outcome:
    async with AsyncClient(address, timeout_s=600.0) as client:
        description = await client.describe()
        (collection,) = await client.list_collections()

        async def found(queries: Sequence[str], mode: Mode, **how: Any) -> list[list[str]]:
            async def ask(name: str) -> list[str]:
                text, top_k = judged.queries[name], CANDIDATES
                result = await client.search(
                    COLLECTION, text, top_k, mode=mode, candidates=CANDIDATES, include_text=False, **how
                )
                if result.degraded:
                    raise RuntimeError(f"query {name} was cut short; the figures would be wrong")
                return [hit.id for hit in result.hits]

            return await each(ask, queries, CONCURRENCY)

        orders = {
            "dense": await found(names, "dense", candidates_from="dense"),
            "lexical": await found(names, "dense", candidates_from="lexical"),
            "hybrid, by scores": await found(names, "dense", candidates_from="hybrid"),
            "hybrid, by places": await found(names, "dense", candidates_from="hybrid", rank_fusion="rrf"),
        }
        read = names[: chosen.rerank_queries]
        reranked = {source: await found(read, "two-stage", candidates_from=source) for source in SOURCES if read}
    turns = [_turns(*both) for both in zip(orders["dense"], orders["lexical"], strict=True)]
    candidates = {"dense": orders["dense"], "lexical": orders["lexical"], "hybrid": turns}
    return Outcome(
        collection=judged.name,
        documents=collection.documents,
        queries=len(names),
        recall_at_50={source: _recall(judged, names, rankings) for source, rankings in candidates.items()},
        ndcg_at_10_stage_one={order: _ndcg(judged, names, rankings) for order, rankings in orders.items()},
        reranked_queries=len(read),
        ndcg_at_10_stage_two={source: _ndcg(judged, read, rankings) for source, rankings in reranked.items()},
        embedder=f"{description.embedder.source} {description.embedder.variant}",
        reranker=f"{description.reranker.source} {description.reranker.variant}",
    )


def _turns(dense: Sequence[str], lexical: Sequence[str]) -> list[str]:
    """Return what stage two reads of two rankings."""
    return list(dict.fromkeys(one for one in chain.from_iterable(zip_longest(dense, lexical)) if one))[:CANDIDATES]


def _recall(judged: beir.Judged, names: Sequence[str], rankings: Sequence[Sequence[str]]) -> float:
    """Return which share of a query's relevant documents is there, in the mean."""
    pairs = zip(names, rankings, strict=True)
    return fmean(
        len(judged.relevant[name].keys() & set(ranking)) / len(judged.relevant[name]) for name, ranking in pairs
    )


def _ndcg(judged: beir.Judged, names: Sequence[str], rankings: Sequence[Sequence[str]]) -> float:
    pairs = zip(names, rankings, strict=True)
    return fmean(measures.ndcg(ranking, judged.relevant[name]) for name, ranking in pairs)


if __name__ == "__main__":
    sys.exit(main())
