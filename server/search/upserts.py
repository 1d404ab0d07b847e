"""Documents to a collection: compared with what is there, embedded where they bring no vector, and written.

Where the collection has token vectors of the model that is served, those of what changed are made beside, and written
in the same transaction.

`Upserts.upsert` takes a request whole or not at all. `Upserts.write` is what lies below it, for callers who have
checked each document themselves (`ingest.py`): there the model may fail at some, and the others are written.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InferenceFailed, NoTokens
from shortlist.server.inference.embedders import Embedders
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder
from shortlist.server.inference.result import Result, Spent
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.comparison import Compared
from shortlist.server.storage.document import Document
from shortlist.server.storage.generation import Superseded
from shortlist.server.storage.token_vectors import TokenVectors

from . import document_checks
from .contents import Contents
from .limits import Limits
from .query import Fate, Ingested, Outcome, Timing
from .token_source import Made, TokenSource

_First = TypeVar("_First")
_Second = TypeVar("_Second")


@dataclass(frozen=True, slots=True)
class Written:
    """What became of documents that were written together."""

    fates: list[Fate | None]  # one a document; None: the model could not run it, and it was not written
    timing: Timing


class Upserts:
    """The way of documents into collections."""

    def __init__(self, embedders: Embedders, contents: Contents, limits: Limits, tokens: TokenSource) -> None:
        """Join the models and the collections, and hold requests to limits."""
        self.limits = limits
        self._embedders = embedders
        self._tokens = tokens
        self._contents = contents

    async def upsert(
        self, name: str, documents: Sequence[Document], deadline: float, vectors: Sequence[Sequence[float] | None]
    ) -> Ingested:
        """Insert or replace documents, all or none; see `Pipeline.upsert`."""
        document_checks.upsert(self.limits, documents)
        collection = self._contents.collection(name)
        brought = _brought(documents, vectors, collection.origin.dimensions)
        written = await self.write(collection, documents, brought, deadline, whole=True)
        fates = [fate for fate in written.fates if fate]
        outcomes = [fate.outcome for fate in fates]
        return Ingested(
            inserted=outcomes.count("inserted"),
            updated=outcomes.count("updated"),
            unchanged=outcomes.count("unchanged"),
            truncated=sum(fate.truncated for fate in fates),
            timing=written.timing,
        )

    async def write(
        self,
        collection: Collection,
        documents: Sequence[Document],
        brought: Mapping[str, NDArray[np.float32]],
        deadline: float,
        *,
        whole: bool,
    ) -> Written:
        """Write documents in one transaction; those whose title and text are as they were are not embedded again.

        Args:
            collection: where to.
            documents: each id once.
            brought: float32 [dimensions] that documents bring, by id.
            deadline: a time of the monotonic clock, in seconds.
            whole: whether a document that the model cannot run keeps the others from being written.

        Raises:
            NoTokens: the tokenizer leaves nothing of a text; its index is the document's.
            DeadlineExceeded: the vectors could not be made in time.
            TooLarge, Overloaded, NotServing, ShuttingDown: as the scheduler says.
            InferenceFailed: the model could not run a document, and `whole` is set.
            UnknownCollection, StorageFailed: as the collection says. Whatever is raised, nothing was written.
        """
        while True:
            embedder = self._embedders[collection.origin.fingerprint]
            if any(len(vector) != embedder.dimensions for vector in brought.values()):
                brought = {}  # they are of the embedder that the collection had when they were checked
            with contextlib.suppress(Superseded):
                return await self._written(collection, embedder, documents, brought, deadline, whole=whole)
            brought = {}

    async def _written(
        self,
        collection: Collection,
        embedder: Embedder,
        documents: Sequence[Document],
        brought: Mapping[str, NDArray[np.float32]],
        deadline: float,
        *,
        whole: bool,
    ) -> Written:
        """Write documents as `write` does, by one embedder.

        Raises:
            Superseded: the collection has another one by the end; nothing was written.
        """
        compared = await asyncio.to_thread(collection.compare, documents, brought)
        wanted = collection.token_vectors
        made, tokens = await _both(
            _embedded(embedder, documents, compared.changed, brought, deadline, whole=whole),
            self._token_vectors(wanted, documents, compared.changed, deadline, whole=whole),
        )
        if tokens is not None:
            made = replace(made, done=made.done & tokens.done, spent=_longer(made.spent, tokens.spent))
        changed = [document for document, is_done in zip(compared.changed, made.done, strict=True) if is_done]
        began = time.perf_counter()
        if changed:
            vectors, lengths = made.values[made.done], made.tokens[made.done].tolist()
            kept = None if tokens is None else tokens.kept(made.done)
            given = changed, vectors, lengths, compared.relabelled, embedder.fingerprint, kept, wanted.generation
            await self._contents.write(collection.upsert, *given)
            if collection.token_vectors.wanted and not collection.token_vectors.ready:
                self._contents.token_vectors_due.set()
        elif compared.relabelled:
            await self._contents.write(collection.relabel, compared.relabelled)
        write_s = time.perf_counter() - began if changed else 0.0
        return Written(_fates(documents, compared, made), Timing(spent=made.spent, write_s=write_s))

    async def _token_vectors(
        self,
        wanted: TokenVectors,
        documents: Sequence[Document],
        changed: Sequence[Document],
        deadline: float,
        *,
        whole: bool,
    ) -> Made | None:
        """Return the token vectors of those documents that changed; None where they are to get none here."""
        if not changed or not self._tokens.makes(wanted):
            return None
        contents = [document.content for document in changed]
        try:
            return await self._tokens.make(contents, wanted.pooling, deadline, whole=whole)
        except NoTokens as error:
            raise _no_tokens(documents, changed[error.index]) from error


async def _both(first: Awaitable[_First], second: Awaitable[_Second]) -> tuple[_First, _Second]:
    """Return what comes of both, at once; where one fails, the other is given up."""
    tasks = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _longer(first: Spent, second: Spent) -> Spent:
    """Return the longer time of each step, of two jobs at once."""
    return Spent(*map(max, astuple(first), astuple(second)))


def _brought(
    documents: Sequence[Document], vectors: Sequence[Sequence[float] | None], dimensions: int
) -> dict[str, NDArray[np.float32]]:
    """Return the vectors that documents bring, by id, once they are checked."""
    found = {}
    for index, (document, given) in enumerate(zip(documents, vectors, strict=False)):
        if given is not None:
            found[document.id] = np.array(given, np.float32)
            document_checks.vector(found[document.id], dimensions, f"documents[{index}].")
    return found


async def _embedded(
    embedder: Embedder,
    documents: Sequence[Document],
    changed: Sequence[Document],
    brought: Mapping[str, NDArray[np.float32]],
    deadline: float,
    *,
    whole: bool,
) -> Result:
    """Return the vectors of those documents that changed: those that they bring, and the others made here."""
    places = [place for place, document in enumerate(changed) if document.id not in brought]
    contents = [changed[place].content for place in places]
    made = Result.empty(len(places), embedder.dimensions)
    try:
        if places:
            made = await embedder.embed(contents, "document", Lane.INGEST, deadline, whole=whole)
    except NoTokens as error:
        raise _no_tokens(documents, changed[places[error.index]]) from error
    except InferenceFailed:  # of all
        if whole:
            raise
    result = Result.empty(len(changed), embedder.dimensions)
    for place, document in enumerate(changed):
        if document.id in brought:
            length = embedder.tokenizer.estimate(len(document.content))
            result.values[place], result.done[place] = brought[document.id], True
            result.tokens[place] = min(length, embedder.tokenizer.max_tokens)
    result.values[places], result.done[places] = made.values, made.done
    result.tokens[places], result.truncated[places] = made.tokens, made.truncated
    return replace(result, spent=made.spent)


def _no_tokens(documents: Sequence[Document], bad: Document) -> NoTokens:
    index = documents.index(bad)
    return NoTokens(index, bad.content, f"documents[{index}].text")


def _fates(documents: Sequence[Document], compared: Compared, made: Result) -> list[Fate | None]:
    """Return what became of each document, in their order."""
    fates: dict[str, Fate | None] = {document.id: Fate("unchanged") for document in documents}
    for document, is_done, truncated in zip(
        compared.changed, made.done.tolist(), made.truncated.tolist(), strict=True
    ):
        outcome: Outcome = "updated" if document.id in compared.known else "inserted"
        fates[document.id] = Fate(outcome, truncated) if is_done else None
    fates |= dict.fromkeys(compared.described, Fate("updated"))
    return list(fates.values())
