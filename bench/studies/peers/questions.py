"""What is asked: lists to rerank, texts to embed, a collection to search; of every peer the same, in one order."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, cycle, islice
from pathlib import Path
from typing import TypeVar

from shortlist.bench import beir, candidates
from shortlist.bench.candidates import Candidates
from shortlist.bench.texts import Draw, Texts
from shortlist.client import Document
from shortlist.console.errors import UsageError

from .peer import PeersError

_Entry = TypeVar("_Entry")

BATCH = 32  # documents of an ingest
_TOP_K = 10  # hits of a search
_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, are spread evenly however many are taken
_STRIDE = 997  # entries between the beginnings of two turns, modulo how many there are


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, queries that some of them answer, and other queries."""

    documents: list[Document]
    queries: list[str]
    texts: list[str]


@dataclass(frozen=True, slots=True)
class Questions:
    """The texts that are asked about. What a turn gets of them has no end, and begins elsewhere in every turn."""

    lists: list[Candidates]
    collection: Collection
    candidates: int  # of a search

    @property
    def top_k(self) -> int:
        """Hits of a search."""
        return min(_TOP_K, self.candidates)

    def rerank(self, turn: int) -> Iterator[Candidates]:
        """Return the lists of one turn."""
        return _from(self.lists, turn)

    def embed(self, turn: int) -> Iterator[str]:
        """Return the texts of one turn; no two turns of a comparison have the same, as long as there are enough."""
        return _from(self.collection.texts, turn)

    def search(self, turn: int) -> Iterator[str]:
        """Return the queries of one turn."""
        return _from(self.collection.queries, turn)

    def ingest(self) -> Iterator[list[Document]]:
        """Return batches of documents, each with a text and an id of its own."""
        draw = Draw(Texts("", passages=tuple(one.text for one in self.collection.documents)), 0, 0)
        numbers = count()
        while True:
            yield [Document(str(number), draw.passage()) for number in islice(numbers, BATCH)]


def _from(entries: Sequence[_Entry], turn: int) -> Iterator[_Entry]:
    return islice(cycle(entries), turn * _STRIDE % len(entries), None)


def read_candidates(path: Path, passages: int) -> list[Candidates]:
    """Read lists of so many passages each, as TREC DL baselines publish them; a long list gives several.

    The lists come in an order in which any number of them, from the first on, has about the mean length: a slow peer
    answers fewer of them than a fast one, and both must have seen the same.

    Raises:
        UsageError: the file cannot be read, or is something else.
        PeersError: no list is long enough.
    """
    found = [
        Candidates(one.query, one.texts[start : start + passages])
        for one in candidates.read(path)
        for start in range(0, len(one.texts) - passages + 1, passages)
    ]
    if not found:
        raise PeersError(f"candidates: {path} has no list of {passages} passages; lower --passages")
    return evenly(sorted(found, key=lambda one: sum(map(len, one.texts))))


def evenly(ordered: Sequence[_Entry]) -> list[_Entry]:
    """Reorder ascending entries so that every beginning of the result is a fair sample of them."""
    places = sorted(range(len(ordered)), key=lambda place: (0.5 + place * _GOLDEN) % 1)
    result = list(ordered)
    for entry, place in zip(ordered, places, strict=True):
        result[place] = entry
    return result


def read_collection(folder: Path, documents: int) -> Collection:
    """Read a BEIR folder: documents from all over it, the queries that they answer, and all others as short texts.

    Raises:
        PeersError: the folder lacks a file.
    """
    try:
        judged = beir.load(folder)
        lines = judged.corpus.read_text(encoding="utf-8").splitlines()
    except UsageError as error:
        raise PeersError(f"collection: {error}") from error
    entries = map(json.loads, lines[:: max(1, len(lines) // documents)][:documents])
    found = {entry["_id"]: Document(entry["_id"], entry["text"]) for entry in entries}
    answered = {name for name in judged.queries if found.keys() & judged.relevant[name].keys()}
    return Collection(
        list(found.values()),
        [text for name, text in judged.queries.items() if name in answered],
        [text for name, text in judged.queries.items() if name not in answered],
    )
