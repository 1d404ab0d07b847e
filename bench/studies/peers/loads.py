"""What is asked: lists to rerank, texts to embed, a collection to search; of every peer the same, in one order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from shortlist.bench import beir, candidates
from shortlist.bench.candidates import Candidates

from .errors import PeersError
from .peer import Passage

_Entry = TypeVar("_Entry")

_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, are spread evenly however many are taken


@dataclass(frozen=True, slots=True)
class Collection:
    """Passages, queries that some of them answer, and other queries."""

    passages: list[Passage]
    queries: list[str]
    texts: list[str]


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
    """Read a BEIR folder: passages from all over it, the queries that they answer, and all others as short texts.

    Raises:
        PeersError: the folder lacks a file.
    """
    try:
        judged = beir.load(folder)
        lines = judged.corpus.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise PeersError(f"collection: {folder} is no collection: {error}") from error
    entries = [json.loads(line) for line in lines[:: max(1, len(lines) // documents)][:documents]]
    passages = [Passage(entry["_id"], entry["text"]) for entry in entries]
    names = {passage.id for passage in passages}
    answered = [name for name in judged.queries if names & judged.relevant[name].keys()]
    chosen = set(answered)
    return Collection(
        passages,
        [judged.queries[name] for name in answered],
        [text for name, text in judged.queries.items() if name not in chosen],
    )
