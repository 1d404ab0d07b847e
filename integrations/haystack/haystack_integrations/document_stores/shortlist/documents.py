"""Haystack's documents to Shortlist's and back, and what becomes of those whose id comes twice.

Shortlist stores a text, metadata and one vector. What it would lose is refused before anything is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from haystack import Document
from haystack.document_stores.errors import DocumentStoreError, DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy

from shortlist.client import Document as Stored
from shortlist.client import Hit, IngestResult, SearchResult

_SHOWN = 3  # of what was refused


def by_id(documents: object, policy: DuplicatePolicy) -> dict[str, Stored]:
    """Convert documents to write: of one id the last under OVERWRITE, else the first.

    Raises:
        ValueError: it is no list of documents.
        DocumentStoreError: Shortlist cannot store one of them whole.
        DuplicateDocumentError: an id comes twice, and the policy is neither OVERWRITE nor SKIP.
    """
    if not isinstance(documents, list) or not all(isinstance(one, Document) for one in documents):
        raise ValueError("documents must be a list of haystack.Document")
    found: dict[str, Stored] = {}
    for document in documents:
        if document.id in found and policy == DuplicatePolicy.SKIP:
            continue
        if document.id in found and policy != DuplicatePolicy.OVERWRITE:
            raise DuplicateDocumentError(f"id {document.id!r} comes twice")
        found[document.id] = _stored(document)
    return found


def check_new(there: Iterable[str]) -> None:
    """Refuse documents whose ids are there.

    Raises:
        DuplicateDocumentError: there is one.
    """
    if ids := list(there):
        more = f" and {len(ids) - 1:,} others" if len(ids) > 1 else ""
        raise DuplicateDocumentError(f"id {ids[0]!r}{more} already exists; nothing was written")


def check_written(results: Sequence[IngestResult]) -> None:
    """Refuse to go on where the server did not take all documents.

    Raises:
        DocumentStoreError: it refused some; the others are stored.
    """
    refused = [one for one in results if one.error]
    if refused:
        causes = "; ".join(f"{one.document.id!r}: {one.error}" for one in refused[:_SHOWN])
        raise DocumentStoreError(
            f"{len(refused):,} of {len(results):,} documents were refused, the others are stored: {causes}"
        ) from refused[0].error


def document(stored: Stored) -> Document:
    """Convert a document that was read."""
    return _document(stored.id, stored.title, stored.text, stored.metadata, stored.vector)


def read(document: Document, meta_fields: Sequence[str], separator: str) -> str:
    """Return what a model is to read of a document: fields of its meta that are there, and its text."""
    found = [str(document.meta[key]) for key in meta_fields if document.meta.get(key) is not None]
    return separator.join([*found, document.content or ""])


def found(hit: Hit, answer: SearchResult) -> Document:
    """Convert a hit. Its score is that of the last stage, None where that did not read it."""
    return _document(hit.id, hit.title, hit.text, hit.metadata, hit.vector, _score(hit, answer))


def _score(hit: Hit, answer: SearchResult) -> float | None:
    """Return stage two's score; in mode `dense` the similarity, in `late-interaction` MaxSim as a mean cosine."""
    if answer.mode == "late-interaction":
        return None if hit.maxsim is None else hit.maxsim / answer.query_vectors
    return hit.similarity if answer.mode == "dense" else hit.relevance


def _stored(document: Document) -> Stored:
    for name, remedy in _REMEDIES.items():
        if getattr(document, name) is not None:
            raise DocumentStoreError(
                f"document {document.id!r} has a {name}, which Shortlist does not store; {remedy}"
            )
    if not document.content or not document.content.strip():
        raise DocumentStoreError(
            f"document {document.id!r} has no text, and Shortlist finds documents by theirs; convert it to text first"
        )
    return Stored(document.id, document.content, metadata=document.meta, vector=document.embedding or ())


_REMEDIES = {
    "blob": "convert it to text, and keep where it is in the meta",
    "sparse_embedding": "leave it out: documents are found by their words without one",
}


def _document(
    identifier: str,
    title: str,
    text: str,
    metadata: Mapping[str, Any],
    vector: Sequence[float],
    score: float | None = None,
) -> Document:
    """Make a document. A title, as `shortlist index` gives one, goes into the meta unless they have one."""
    meta = {**({"title": title} if title else {}), **metadata}
    return Document(id=identifier, content=text, meta=meta, score=score, embedding=list(vector) or None)
