"""What is done with collections and their documents without a model.

They are made, dropped, listed, read, deleted, and copied to snapshots and back.
Plain types only. Methods run on the event loop; what blocks goes to threads. Knows no gRPC.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.server import observed
from shortlist.server.errors import UnknownDocument, shown
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.choices import Quantization, TokenPooling, Wanted
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from shortlist.server.storage.filters import Filter
from shortlist.server.storage.listing import Page
from shortlist.server.storage.snapshot import Snapshot

from . import document_checks, filter_checks, late_interaction_checks, pages, request_checks
from .limits import MAX_ANSWER_BYTES, Limits

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Changes of one collection wait for each other, so they have threads of their own: however many wait, no search waits
# for a thread.
_WRITING_THREADS = 4
_DEFAULT_PAGE_SIZE = 100
_SHOWN_IDS = 5


class Contents:
    """The collections, for callers that need no model."""

    def __init__(self, catalog: Catalog, limits: Limits) -> None:
        """Take the collections, and hold requests to limits."""
        self._catalog = catalog
        self._limits = limits
        self.token_vectors_due = asyncio.Event()  # set where documents may lack token vectors since
        self._writing = ThreadPoolExecutor(_WRITING_THREADS, "write")
        self._copying = ThreadPoolExecutor(1, "copy")

    def close(self) -> None:
        """Let the changes under way end, then save and close the collections."""
        self._copying.shutdown(cancel_futures=True)
        self._writing.shutdown()
        self._catalog.close()

    async def create(
        self,
        name: str,
        *,
        exist_ok: bool,
        recall_target: float | None = None,
        language: str = "",
        quantization: Quantization | None = None,
        token_pooling: TokenPooling | None = None,
    ) -> tuple[Collection, bool]:
        """Make a collection, and return it and whether it is new; without a language it is of the default one.

        Raises:
            InvalidRequest, Unsupported, CollectionExists, StorageFailed: as the checks and the catalog say.
        """
        chosen = request_checks.create(name, language)
        observed.collection(name)
        request_checks.recall_target(recall_target)
        late_interaction_checks.token_pooling(token_pooling, self._catalog.token_model)
        wanted = Wanted(recall_target, chosen, quantization, token_pooling)
        return await asyncio.to_thread(self._catalog.create, name, exist_ok=exist_ok, wanted=wanted)

    async def set_token_vectors(self, name: str, pooling: TokenPooling | None) -> Collection:
        """Set how many vectors of its tokens each document of a collection is to have, and return the collection.

        Raises:
            InvalidRequest, Unsupported, UnknownCollection, StorageFailed: as the checks and storage say.
        """
        made_by = self._catalog.token_model
        chosen = late_interaction_checks.set_token_vectors(pooling, made_by)
        collection = self.collection(name)
        await self.write(collection.token_making.begin, chosen, made_by)
        self.token_vectors_due.set()
        return collection

    async def drop(self, name: str) -> int:
        """Delete a collection, and return how many documents it held.

        Raises:
            UnknownCollection, StorageFailed: as the catalog says.
        """
        observed.collection(name)
        return await asyncio.to_thread(self._catalog.drop, name)

    def collections(self) -> list[Collection]:
        """Return all collections by name."""
        return self._catalog.collections()

    def collection(self, name: str) -> Collection:
        """Return a collection.

        Raises:
            UnknownCollection: there is none of that name.
        """
        observed.collection(name)
        return self._catalog.get(name)

    async def take_snapshot(self, name: str, names: Sequence[str]) -> Snapshot:
        """Copy collections, or all if none is named, into a snapshot; it goes on if its caller leaves.

        Raises:
            InvalidRequest, UnknownCollection, SnapshotExists, StorageFailed: as `request_checks` and storage say.
        """
        request_checks.snapshot(self._limits, "name", name or "unnamed", names)
        chosen = [self.collection(one) for one in dict.fromkeys(names)] if names else self.collections()
        return await self._copy(self._catalog.snapshots.take, name, chosen)

    async def snapshots(self) -> list[Snapshot]:
        """Return all snapshots by name."""
        return await asyncio.to_thread(self._catalog.snapshots.all)

    async def drop_snapshot(self, name: str) -> None:
        """Delete a snapshot.

        Raises:
            InvalidRequest, UnknownSnapshot, StorageFailed: as `request_checks` and storage say.
        """
        request_checks.snapshot(self._limits, "name", name, ())
        await self._copy(self._catalog.snapshots.drop, name)

    async def restore(self, name: str, names: Sequence[str]) -> list[Collection]:
        """Make collections of the copies in a snapshot, or of all if none is named; it goes on if its caller leaves.

        Raises:
            InvalidRequest, UnknownSnapshot, CollectionExists, StorageFailed: as `request_checks` and storage say.
        """
        request_checks.snapshot(self._limits, "snapshot", name, names)
        found = await asyncio.to_thread(self._catalog.snapshots.get, name)
        restored = await self._copy(self._catalog.restore, found, names)
        self.token_vectors_due.set()
        return restored

    async def _copy(self, change: Callable[_P, _T], *given: _P.args, **named: _P.kwargs) -> _T:
        """Make or restore a snapshot, one after another: each may take minutes, and nothing else waits for it."""
        return await asyncio.get_running_loop().run_in_executor(self._copying, partial(change, *given, **named))

    async def get(
        self, name: str, ids: Sequence[str], *, skip_missing: bool = False, vectors: bool = False
    ) -> list[tuple[Document, NDArray[np.float32] | None]]:
        """Return documents by id, in the order of the ids, each with its vector if that is asked for.

        Raises:
            InvalidRequest, UnknownCollection, UnknownDocument: the request is at fault.
        """
        document_checks.ids(self._limits, ids)
        collection = self.collection(name)
        sizes = await asyncio.to_thread(collection.sizes, ids)
        size, dimensions = sum(sizes.get(one, 0) for one in ids), collection.origin.dimensions * vectors
        request_checks.documents_answer(len(ids), size, dimensions)
        found = await asyncio.to_thread(collection.get, ids)
        missing = [one for one in ids if one not in found]
        if missing and not skip_missing:
            raise _unknown(name, "ids", len(ids), missing)
        held = await asyncio.to_thread(collection.vectors_of, ids) if vectors else {}
        return [(found[one], held.get(one)) for one in ids if one in found]

    async def describe(self, name: str, given: Sequence[tuple[str, str]]) -> None:
        """Set the metadata of documents, each an id and a JSON text: all or none.

        Raises:
            InvalidRequest, UnknownCollection, UnknownDocument: the request is at fault.
        """
        document_checks.metadata(self._limits, given)
        if missing := await self.write(self.collection(name).describe, dict(given)):
            raise _unknown(name, "documents", len(given), missing)

    async def page(
        self, name: str, token: str, size: int | None, *, source: str, ids_only: bool, where: Filter | None = None
    ) -> tuple[list[Document], str]:
        """Return a page of documents, of those that match, and the next one's token; empty where nothing follows.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
        """
        size = _DEFAULT_PAGE_SIZE if size is None else size
        request_checks.page(self._limits, size)
        collection = self.collection(name)
        after = pages.after(collection, token)
        await self._check_fields(collection, where)
        wanted = Page(size=size, most_bytes=MAX_ANSWER_BYTES, after=after, source=source, ids_only=ids_only)
        page, more = await asyncio.to_thread(collection.page, wanted, where)
        return [document for _, document in page], pages.token(collection, page[-1][0]) if page and more else ""

    async def sources(self, name: str, below: str, after: str, size: int | None) -> tuple[list[tuple[str, int]], str]:
        """Return a page of what documents came from, with how many, and the token of the next page.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
        """
        size = _DEFAULT_PAGE_SIZE if size is None else size
        request_checks.page(self._limits, size)
        page = await asyncio.to_thread(self.collection(name).sources, below, after, size)
        return page, page[-1][0] if len(page) == size else ""

    async def count(self, name: str, where: Filter | None) -> int:
        """Return how many documents a collection holds, or how many of them match.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
        """
        collection = self.collection(name)
        if where is None:
            return len(collection)
        await self._check_fields(collection, where)
        return await asyncio.to_thread(collection.among.count, where)

    async def delete(self, name: str, ids: Sequence[str], where: Filter | None = None) -> int:
        """Delete the documents of these ids that are there, or those that match, and return how many there were.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
        """
        document_checks.deleted(self._limits, ids, where)
        collection = self.collection(name)
        if where is None:
            return await self.write(collection.delete, ids)
        await self._check_fields(collection, where)
        return await self.write(collection.delete_where, where)

    async def _check_fields(self, collection: Collection, where: Filter | None) -> None:
        """Check a filter, if there is one, and that a collection has its fields.

        Raises:
            InvalidRequest: it is at fault.
        """
        if where is not None:
            filter_checks.where(where)
            await asyncio.to_thread(filter_checks.known, collection, where)

    async def write(self, change: Callable[_P, _T], *given: _P.args, **named: _P.kwargs) -> _T:
        """Make a change in a thread that is kept for changes."""
        began = time.monotonic()
        try:
            run = copy_context().run  # so that what is logged there names the call
            return await asyncio.get_running_loop().run_in_executor(
                self._writing, partial(run, change, *given, **named)
            )
        finally:
            observed.stage("write", began)


def _unknown(name: str, field: str, count: int, missing: Sequence[str]) -> UnknownDocument:
    return UnknownDocument(
        f"{field}: {len(missing)} of {count} are not in collection {name!r}:"
        f" {', '.join(map(shown, missing[:_SHOWN_IDS]))}{', ...' if len(missing) > _SHOWN_IDS else ''}"
    )
