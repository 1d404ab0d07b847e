"""The measurement: participants are loaded in turns, round after round, so that drift of the machine meets all.

    for each round: for each load: for each participant, beginning with another one each time

Belongs to one event loop, which is the load generator's: it computes nothing that is measured.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from shortlist.bench.candidates import Candidates
from shortlist.client import Document
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.tokens import Encoded, Tokenizer

from .offline import ARRANGEMENTS, Arrangement, Loop
from .peer import Kind, Peer
from .questions import Questions
from .turns import Turn, closed_loop

EMBED_SHARE = 1 / 3  # of a turn's length


@dataclass(frozen=True, slots=True)
class Workload:
    """One way to load every participant."""

    kind: Kind
    clients: int


WORKLOADS = (
    Workload("rerank", 1),
    Workload("rerank", 8),
    Workload("embed", 1),
    Workload("embed", 8),
    Workload("search", 1),
    Workload("ingest", 4),
)


class Participant(Protocol):
    """Something that is loaded in every round."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    @property
    def graph(self) -> str:
        """What it runs."""

    def takes(self, load: Workload) -> bool:
        """Return whether a load can be put on it."""

    async def turn(self, load: Workload, turn: int, seconds: float) -> Turn:
        """Run under a load for so many seconds."""


class Asked:
    """A peer under a closed loop."""

    def __init__(self, peer: Peer, texts: Questions) -> None:
        """Take a peer that has started."""
        self.name, self.graph = peer.name, peer.graph
        self._peer, self._texts, self._batches = peer, texts, texts.ingest()

    def takes(self, load: Workload) -> bool:
        """Return whether the peer can."""
        return load.kind in self._peer.loads

    async def turn(self, load: Workload, turn: int, seconds: float) -> Turn:
        """Let clients ask."""
        texts = self._texts
        kinds: dict[Kind, tuple[Callable[[Any], Awaitable[int]], Iterator[Any]]] = {
            "rerank": (self._rerank, texts.rerank(turn)),
            "embed": (self._embed, texts.embed(turn)),
            "search": (self._search, texts.search(turn)),
            "ingest": (self._ingest, self._batches),
        }
        return await closed_loop(*kinds[load.kind], load.clients, seconds)

    async def _rerank(self, one: Candidates) -> int:
        return len(await self._peer.rerank(one.query, one.texts))

    async def _embed(self, text: str) -> int:
        return len(await self._peer.embed([text]))

    async def _search(self, query: str) -> int:
        await self._peer.search(query, self._texts.candidates, self._texts.top_k)
        return 1

    async def _ingest(self, batch: list[Document]) -> int:
        await self._peer.ingest(batch)
        return len(batch)


class Offline:
    """A bare loop over what the clients of a load would have under way: their lists, or their texts."""

    def __init__(self, bundle: Bundle, variant: str, arrangement: Arrangement, texts: Questions, cores: int) -> None:
        """Load the bundle's own graph."""
        self.name, self.graph = f"offline: {arrangement.name}", variant
        self._kinds = {"rerank"} if bundle.manifest.kind == "reranker" else {"embed", "ingest"}
        self._batches = texts.ingest()
        self._texts, self._tokenizer = texts, Tokenizer(bundle)
        self._loop = Loop(bundle.graph(variant), arrangement, cores, bundle.manifest.pad_token_id)

    def takes(self, load: Workload) -> bool:
        """Return whether the load is of the graph's kind."""
        return load.kind in self._kinds

    async def turn(self, load: Workload, turn: int, seconds: float) -> Turn:
        """Run the groups one after another; only where a group is one client's has its time a meaning as latency."""
        found = await asyncio.to_thread(self._loop.measure, self._groups(load, turn), seconds)
        return found if load.clients == 1 else Turn((), found.items, found.elapsed_s)

    def close(self) -> None:
        """End its threads."""
        self._loop.close()

    def _groups(self, load: Workload, turn: int) -> Iterator[list[Encoded]]:
        if load.kind == "rerank":
            lists = self._texts.rerank(turn)
            while group := list(islice(lists, load.clients)):
                yield [item for one in group for item in self._tokenizer.encode_pairs(one.query, one.texts)]
        elif load.kind == "ingest":
            while documents := [one.text for batch in islice(self._batches, load.clients) for one in batch]:
                yield self._tokenizer.encode(documents)
        else:
            texts = self._texts.embed(turn)
            while chosen := list(islice(texts, load.clients)):
                yield self._tokenizer.encode(chosen)


def offline(embedder: Bundle, reranker: Bundle, variant: str, texts: Questions, cores: int) -> list[Offline]:
    """Return the known arrangements for pairs, and that of a text a run for single short texts."""
    pairs = [Offline(reranker, variant, arrangement, texts, cores) for arrangement in ARRANGEMENTS]
    return [*pairs, Offline(embedder, variant, ARRANGEMENTS[-1], texts, cores)]


@dataclass(frozen=True, slots=True)
class Row:
    """One participant under one load: a turn a round."""

    load: Workload
    name: str
    graph: str
    turns: tuple[Turn, ...]


async def measure(
    participants: Sequence[Participant],
    loads: Sequence[Workload],
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> list[Row]:
    """Load everybody in turn.

    Args:
        participants: who takes part, all of them ready.
        loads: what with.
        rounds: how often.
        seconds: length of a turn.
        progress: takes one line a turn.
    """
    turns: dict[tuple[Workload, int], list[Turn]] = {}
    for number in range(rounds):
        for load in loads:
            share = EMBED_SHARE if load.kind == "embed" else 1.0
            for step in range(len(participants)):
                place = (number + step) % len(participants)
                one = participants[place]
                if not one.takes(load):
                    continue
                done = await one.turn(load, number * len(WORKLOADS) + WORKLOADS.index(load), share * seconds)
                turns.setdefault((load, place), []).append(done)
                told = f"{load.kind}, {load.clients} at once, {one.name}: {done.rate:.1f}/s"
                progress(f"round {number + 1} of {rounds}: {told}")
    return [
        Row(load, one.name, one.graph, tuple(turns[load, place]))
        for load in loads
        for place, one in enumerate(participants)
        if (load, place) in turns
    ]
