"""Documents that come again: what has to be embedded, what only written, and what is there already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .document import Document
from .documents import Documents

_AT_ONCE = 50  # documents that are read at once; searches wait meanwhile


@dataclass(frozen=True, slots=True)
class Compared:
    """Documents of an upsert, by what differs from what is there; the others are there already."""

    changed: list[Document] = field(default_factory=list)  # new, or with another title, text or vector
    relabelled: list[Document] = field(default_factory=list)  # with another source or metadata, and no more
    described: list[str] = field(default_factory=list)  # ids of the relabelled that have other metadata
    known: frozenset[str] = frozenset()  # ids that are there


def compare(documents: Documents, given: Sequence[Document], vectors: Mapping[str, NDArray[np.float32]]) -> Compared:
    """Compare documents with those that are there.

    Args:
        documents: those that are there.
        given: each id once.
        vectors: float32 [dimensions] that documents brought, by id.

    Raises:
        StorageFailed: the file was removed, so that none of the others is on disk either.
    """
    there: dict[str, Document] = {}
    kept: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(given), _AT_ONCE):
        ids = [document.id for document in given[start : start + _AT_ONCE]]
        there |= documents.get(ids)
        kept |= documents.vectors_of([one for one in ids if one in vectors])
    changed: list[Document] = []
    relabelled: list[Document] = []
    described: list[str] = []
    for document in given:
        old = there.get(document.id)
        brings = document.id in vectors and not np.array_equal(vectors[document.id], kept.get(document.id, ()))
        if brings or old is None or replace(old, source=document.source, metadata=document.metadata) != document:
            changed.append(document)
        elif old != document:
            relabelled.append(document)
            if old.metadata != document.metadata:
                described.append(document.id)
    documents.check_kept()  # what is unchanged is acknowledged as well
    return Compared(changed, relabelled, described, frozenset(there))
