"""The kinds of requests that a load on a Shortlist server is made of."""

from dataclasses import dataclass
from typing import Literal

Name = Literal["rerank", "embed", "dense", "search", "ingest"]

SERVER_PARTS = ("queue", "tokenize", "infer", "retrieve", "write")
"""The phases of a call that the server times."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request."""

    items: str  # what is counted beside requests
    parts: tuple[str, ...]  # the phases that it has
    searches: bool = False  # wants a collection with documents in it


KINDS: dict[Name, Kind] = {
    "rerank": Kind("pairs", ("queue", "tokenize", "infer")),
    "embed": Kind("texts", ("queue", "tokenize", "infer")),
    "dense": Kind("queries", ("queue", "tokenize", "infer", "retrieve"), searches=True),
    "search": Kind("pairs", ("queue", "tokenize", "infer", "retrieve"), searches=True),
    "ingest": Kind("documents", ("queue", "tokenize", "infer", "write")),
}
