"""`shortlist eval`: a judged collection, indexed and searched through a server, and what that is worth.

    folder -> server (one of its own, or one that is there) -> collection -> searches -> runs -> tables, JSON, plot

One event loop, apart from the server and from `shortlist index`, which fills the collection.
"""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from shortlist.bench import beir, command, local, temporary
from shortlist.bench.beir import Judged
from shortlist.client import AsyncClient, CandidatesFrom, Description
from shortlist.console import output
from shortlist.console.errors import UsageError

from . import asking, outcome, report, runs, trec
from .asking import Asking
from .measures import CUTS
from .outcome import Outcome, Run
from .settings import EvalSettings

_SEED = 0  # of the queries that are drawn
_STDERR = 2


def run(folder: Path, chosen: EvalSettings, draw_plot: Callable[[Outcome, Path], None]) -> int:
    """Measure, print, and draw if that is asked for; return the exit code.

    Raises:
        UsageError: what was given cannot be measured.
        ShortlistError: the server refuses a call, or does not answer.
    """
    judged = beir.load(folder, chosen.split, corpus_is_served=chosen.collection is not None)
    baseline = outcome.load(chosen.baseline, judged) if chosen.baseline else None
    if chosen.run_out:
        trec.prepare(chosen.run_out, judged.queries)
    with chosen.serving() as address:
        measured = asyncio.run(_measure(address, judged, chosen, baseline))
    command.show("\n".join(report.tables(measured)), beside_json=chosen.json)
    for note in report.notes(measured, judged, baseline):
        command.show(f"note: {note}", beside_json=chosen.json)
    if chosen.json:
        output.write(measured.as_json())
    if chosen.plot:
        draw_plot(measured, chosen.plot)
    return command.OK


async def _measure(address: str, judged: Judged, chosen: EvalSettings, baseline: Outcome | None) -> Outcome:
    began = time.monotonic()
    async with AsyncClient(address, timeout_s=chosen.timeout_s) as client:
        described = await client.describe()
        _check_limits(described, chosen)
        async with _collection(client, judged, chosen) as (name, documents):
            asked = Asking(client, name, judged.queries, judged.itself, _stage_two(chosen))
            found = [one for source in chosen.sources for one in await _runs(source, asked, judged, chosen)]
    if not any(one.measures[f"recall@{CUTS[-1]}"] for one in found if one.candidates is None):
        raise UsageError(
            f"no search found anything relevant: does collection {chosen.collection!r} hold the documents that"
            f" {judged.qrels} names, under the same ids?"
        )
    weight = described.reranker.similarity_weight if chosen.similarity_weight is None else chosen.similarity_weight
    return Outcome(
        collection=judged.name,
        qrels=judged.qrels.name,
        judgements=judged.digest,
        documents=documents,
        without_text=len(judged.without_text),
        itself=len(judged.itself),
        queries=len(judged.queries),
        embedder=f"{described.embedder.source} {described.embedder.variant}",
        reranker=f"{described.reranker.source} {described.reranker.variant}",
        similarity_weight=weight,
        margin=chosen.margin,
        runs=found,
        seconds=time.monotonic() - began,
        over_first=outcome.over_first(found),
        over_baseline=outcome.compared(found, baseline) if baseline else [],
    )


async def _runs(source: CandidatesFrom, asked: Asking, judged: Judged, chosen: EvalSettings) -> list[Run]:
    """Ask everything of one mode of stage one, and return its runs: alone, and with each number of candidates."""
    names = sorted(judged.queries)
    sample = _sample(names, chosen.rerank_queries)
    alone = await asked.stage_one(source, CUTS[-1])
    read = await asked.both(source, sample, chosen.counts[-1])
    timed = _sample(names, chosen.timed_queries) if chosen.timed_queries else []
    times = await asked.times_ms(source, timed, chosen.counts) if timed else {}
    found = [runs.stage_one(source, alone, judged.relevant, times.get(0))]
    if chosen.run_out:
        trec.write(chosen.run_out, found[0].name, alone)
    for count in chosen.counts:
        among = {name: asking.first(one, count) for name, one in read.items()}
        found.append(runs.both(found[0], count, among, judged.relevant, times.get(count)))
        if chosen.run_out:
            trec.write(chosen.run_out, found[-1].name, runs.ids(among))
    return found


def _sample(names: list[str], count: int) -> list[str]:
    """Draw so many names, always the same; 0: all."""
    count = min(count or len(names), len(names))
    return sorted(random.Random(_SEED).sample(names, count))  # noqa: S311 (a sample, no secret)


def _stage_two(chosen: EvalSettings) -> dict[str, float | None]:
    return {"similarity_weight": chosen.similarity_weight, "margin": chosen.margin}


def _check_limits(described: Description, chosen: EvalSettings) -> None:
    """Refuse more than the server takes, before anything is indexed."""
    most, wanted = described.limits.max_top_k, max(CUTS[-1], chosen.counts[-1])
    if wanted > most:
        raise UsageError(
            f"{wanted:,} hits of a query are needed, for recall@{CUTS[-1]} and {chosen.counts[-1]:,} candidates, but"
            f" the server returns {most:,} at most: serve with a larger --max-top-k"
        )


@contextlib.asynccontextmanager
async def _collection(client: AsyncClient, judged: Judged, chosen: EvalSettings) -> AsyncIterator[tuple[str, int]]:
    """Yield the collection's name and documents; one that is not given is made, filled, and dropped at the end."""
    if chosen.collection:
        yield chosen.collection, await _documents(client, chosen.collection)
        return
    async with temporary.collection(client, "eval", chosen.language) as name:
        await _fill(client.address, name, judged)
        yield name, await _documents(client, name)


async def _documents(client: AsyncClient, name: str) -> int:
    found = {one.name: one.documents for one in await client.list_collections()}
    if not found.get(name):
        told = "is empty" if name in found else "is not on the server"
        raise UsageError(f"collection {name!r} {told}; leave it out, and one is made for the time of the evaluation")
    return found[name]


async def _fill(address: str, name: str, judged: Judged) -> None:
    """Index the corpus with `shortlist index`, which shows its progress."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = judged.corpus
        if judged.without_text:
            corpus = Path(folder) / corpus.name
            beir.write_indexable(judged, corpus)
        index = ("index", "--address", address, "--collection", name, str(corpus))
        process = await asyncio.create_subprocess_exec(local.SHORTLIST, *index, stdout=_STDERR)
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
    if code:
        raise UsageError(f"{judged.corpus} could not be indexed; `shortlist index` says above why")
