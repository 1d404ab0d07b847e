"""Plain types that the rooms above share with a collection: documents, candidates, its embedder."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the caller gave it."""

    id: str
    text: str
    title: str = ""
    metadata: str = ""  # a JSON object with sorted keys, or empty
    source: str = ""  # where it came from, such as a file's path

    @property
    def content(self) -> str:
        """Return what both models read: the title, if there is one, before the text."""
        return f"{self.title} {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Origin:
    """The embedder that made a collection's vectors."""

    embedder: str  # for people: source and variant
    fingerprint: str  # what is compared
    dimensions: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that stage one found."""

    document: Document
    similarity: float  # cosine
    rank: int  # from 1
    version: tuple[int, int]  # the collection's number in this process, and the document's: no other text has both
    dense_rank: int | None = None  # by similarity; None: not among those that were asked for
    lexical_rank: int | None = None  # by words
    lexical_score: float = 0.0  # BM25; 0 where there is no rank
    maxsim: float | None = None  # by late interaction; None: it was not computed
    maxsim_rank: int | None = None  # by it, from 1


@dataclass(frozen=True, slots=True)
class Upserted:
    """The documents that an upsert wrote."""

    inserted: int
    updated: int


def canonical(metadata: dict[str, Any]) -> str:
    """Return metadata as JSON with sorted keys, so that equal objects are equal texts."""
    return json.dumps(metadata, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
