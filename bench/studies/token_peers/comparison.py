"""One comparison from beginning to end: read, start, compare scores, take turns, stop.

    for each round: for each load: for each participant, beginning with another one each time

Each is asked by one client, one question after another, and says itself what a call took: libraries have no wire.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from shortlist.bench import beir
from shortlist.bench.studies.peers.peer import PeersError
from shortlist.bench.studies.study import show
from shortlist.export import figures

from . import participant
from .participant import Answer, Participant
from .settings import TokenPeersSettings

CANDIDATES, TOP_K = 100, 10
_ENCODED = 100  # passages of one turn
_COMPARED = 5  # queries
# Kendall's tau of 100 passages' order by MaxSim, the mean over queries. In fp32 only the last bits differ.
_SAME, _QUANTIZED = 0.999, 0.9


@dataclass(frozen=True, slots=True)
class Turn:
    """One call under one load, or a round of them."""

    items: int  # passages, searches or lists
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a participant's MaxSim of the same texts is to that of the first one in fp32."""

    tau: float
    change: float  # the largest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found of one participant."""

    name: str
    graph: str
    version: str
    turns: dict[str, list[Turn]]  # by load
    agreement: Agreement
    kept: float  # of the ten best by its own scores of all passages, those that its search has


@dataclass(frozen=True, slots=True)
class Texts:
    """What is indexed and asked."""

    passages: list[str]
    queries: list[str]


def read(settings: TokenPeersSettings) -> Texts:
    """Return passages from all over a collection, and queries.

    Raises:
        UsageError: the folder lacks a file.
    """
    passages = [text for _, text in beir.passages(settings.collection)]
    queries = list(beir.load(settings.collection).queries.values())
    return Texts(_spread(passages, settings.passages), _spread(queries, settings.queries))


def _spread(texts: Sequence[str], count: int) -> list[str]:
    return list(texts[:: max(1, len(texts) // count)][:count])


async def run(settings: TokenPeersSettings) -> tuple[list[Outcome], dict[str, str]]:
    """Compare, and return what was found and who was left out, and why.

    Raises:
        PeersError: a participant does not start, fails, or computes something else.
    """
    texts = read(settings)
    asked = participant.systems(settings)
    left_out = {one.name: why for one in asked if (why := one.missing())}
    started: list[Participant] = []
    with tempfile.TemporaryDirectory(prefix="shortlist-peers-") as folder:
        try:
            for place, system in enumerate(one for one in asked if one.name not in left_out):
                show(f"starting {system.name}")
                own = Path(tempfile.mkdtemp(dir=folder, prefix=f"{place}-"))
                model = settings.late_interaction if system.name.startswith("Shortlist") else settings.model
                started.append(await Participant.start(system, model, own, settings.threads))
            agreed = await agreements(started, texts)
            turns = await _turns(started, texts, settings.rounds)
            kept = [await _kept(one, texts) for one in started]
        finally:
            await participant.stop_all(started)
    outcomes = [
        Outcome(one.system.name, one.system.graph, one.version, turns[place], agreed[place], kept[place])
        for place, one in enumerate(started)
    ]
    return outcomes, left_out


async def agreements(started: Sequence[Participant], texts: Texts) -> list[Agreement]:
    """Have all score the same texts, and compare with the first one that computes in fp32; this warms all up too."""
    some, passages = texts.queries[:_COMPARED], texts.passages[:CANDIDATES]
    scores = [
        [np.array((await one.ask("score", query=query, texts=passages)).result, np.float32) for query in some]
        for one in started
    ]
    first = next((place for place, one in enumerate(started) if "fp32" in one.system.graph), 0)
    found = []
    for one, own in zip(started, scores, strict=True):
        lists = list(zip(scores[first], own, strict=True))
        tau = fmean(figures.kendall_tau(wanted, got) for wanted, got in lists)
        change = max(float(np.abs(wanted - got).max()) for wanted, got in lists)
        least = _SAME if "fp32" in one.system.graph else _QUANTIZED
        if not tau >= least:
            raise PeersError(
                f"{one.system.name} computes something else: of the order of {len(passages)} passages by MaxSim a"
                f" Kendall's tau of {tau:.4f} is left (at least {least}); was the bundle exported from that model?"
            )
        found.append(Agreement(tau, change))
    return found


async def _turns(started: Sequence[Participant], texts: Texts, rounds: int) -> list[dict[str, list[Turn]]]:
    turns: list[dict[str, list[Turn]]] = [{} for _ in started]
    for number in range(rounds):
        for load in ("encode", "encode_both", "index", "search", "rerank", "score"):
            for step in range(len(started)):
                place = (number + step) % len(started)
                one = started[place]
                if load == "encode_both" and not one.system.name.startswith("Shortlist"):
                    continue
                turn = await _turn(one, load, texts, number)
                turns[place].setdefault(load, []).append(turn)
                wall, cpu = (sum(getattr(each, name) for each in turn.answers) for name in ("wall_s", "cpu_s"))
                rate = f"{turn.items / wall:.1f}/s, {turn.items / cpu:.1f} a second of the processor"
                show(f"round {number + 1} of {rounds}: {load}, {one.system.name}: {rate}")
    return turns


async def _turn(one: Participant, load: str, texts: Texts, number: int) -> Turn:
    """Ask under one load; every round takes other passages to encode."""
    if load == "index":
        return Turn(len(texts.passages), (await one.ask("index", texts=texts.passages),))
    if load.startswith("encode"):
        some = _spread(texts.passages[number:], _ENCODED)
        return Turn(len(some), (await one.ask(load, texts=some),))
    places = list(range(0, len(texts.passages), len(texts.passages) // CANDIDATES))[:CANDIDATES]
    queries = texts.queries
    asked: dict[str, dict[str, Any]] = {
        "search": {"top_k": TOP_K},
        "rerank": {"places": places},
        "score": {"texts": [texts.passages[place] for place in places]},
    }
    if load == "score":  # a hundred passages are encoded for each
        queries = queries[number % len(queries) :][:1]
    answers = [await one.ask(load, query=query, **asked[load]) for query in queries]
    return Turn(len(answers), tuple(answers))


async def _kept(one: Participant, texts: Texts) -> float:
    """Return how many of the ten best by a participant's own scores of all passages its search has."""
    every = list(range(len(texts.passages)))
    shares = []
    for query in texts.queries:
        scores = np.array((await one.ask("rerank", query=query, places=every)).result)
        found = (await one.ask("search", query=query, top_k=TOP_K)).result
        shares.append(len(set(found) & set(np.argsort(-scores)[:TOP_K].tolist())) / TOP_K)
    return fmean(shares)
