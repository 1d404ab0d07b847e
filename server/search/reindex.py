"""One collection whose vectors another embedder makes anew, while searches go on with the old ones.

Vectors are made in the ingest lane, batch by batch, from the stored texts; then the collection switches to them
(`remaking.py`). What was made is on disk, whatever ends it.

Runs on the event loop; what blocks goes to threads. Knows no gRPC.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from shortlist.server.errors import DeadlineExceeded, InferenceFailed, NoTokens, Overloaded, ShortlistError, shown
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin
from shortlist.server.storage.remaking import Embedded

from .contents import Contents
from .patience import patiently

logger = logging.getLogger(__name__)

State = Literal["none", "running", "done", "failed", "cancelled"]

_BATCH = 64  # documents that are made at once: no more bytes than a request may have
_LAST_PATIENCE_S = 5.0  # for the last few documents, while changes wait


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a collection is made anew."""

    collection: str
    state: State
    origin: Origin  # what makes it, or has made it
    made: int  # documents
    documents: int  # of the collection
    fault: str = ""  # why it failed


class Reindex:
    """A collection that is made anew."""

    def __init__(self, collection: Collection, progress: Progress) -> None:
        """Show a progress, and do nothing yet."""
        self.collection = collection
        self.progress = progress
        self._changed = asyncio.Event()  # set, and replaced, when there is more to show
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, load: Callable[[], Awaitable[Embedder]], contents: Contents) -> "asyncio.Task[None]":
        """Have an embedder make the vectors, once it is loaded, and return the task."""
        self._task = asyncio.create_task(self._run(load, contents))
        return self._task

    async def wait(self, seconds: float) -> None:
        """Wait until there is more to show, so long at most."""
        waiting = asyncio.create_task(self._changed.wait())
        await asyncio.wait([waiting], timeout=seconds)
        waiting.cancel()

    def show(self, state: State, *, made: int | None = None, fault: str = "") -> None:
        """Show how far it is, to those who wait for that."""
        count = len(self.collection)
        made = self.progress.made if made is None else made
        self.progress = replace(self.progress, state=state, made=min(made, count), documents=count, fault=fault)
        self._changed.set()
        self._changed = asyncio.Event()

    async def end(self, state: State, fault: str = "") -> None:
        """Have it end, where it runs, and wait for that: a batch that is being written is written."""
        if self._task is not None and not self._task.done():
            self._ending.set()
            await asyncio.wait([self._task])
            if self.progress.state == "running":
                self.show(state, fault=fault)

    async def _run(self, load: Callable[[], Awaitable[Embedder]], contents: Contents) -> None:
        """Make all vectors, switch, and show what came of it."""
        collection, made_by = self.collection, self.progress.origin
        logger.info("collection %s: its reindex with %s begins", collection.name, made_by.embedder)
        try:
            embedder = await load()
            path = str(embedder.path.absolute())
            self.show("running", made=await contents.write(collection.remaking.begin, made_by, path))
            while not (await self._all_made(embedder, contents) and await self._switched(embedder, contents)):
                if self._ending.is_set():
                    return
        except ShortlistError as error:
            logger.warning("collection %s: its reindex failed: %s", collection.name, error)
            self.show("failed", fault=str(error))
        except Exception:
            logger.exception("collection %s: its reindex failed", collection.name)
            self.show("failed", fault="the server's log has the cause")
        else:
            logger.info("collection %s: its vectors are those of %s now", collection.name, made_by.embedder)
            self.show("done", made=len(collection))

    async def _all_made(self, embedder: Embedder, contents: Contents) -> bool:
        """Make what is missing, and return True; or False where it is to end."""
        remaking = self.collection.remaking
        while batch := await asyncio.to_thread(remaking.missing, _BATCH):
            made = await self._unless_ending(embedder, [document for _, document in batch])
            if made is None:
                return False
            await contents.write(remaking.add, [seq for seq, _ in batch], made)
            self.show("running", made=self.progress.made + len(batch))
        return not self._ending.is_set()

    async def _unless_ending(self, embedder: Embedder, documents: Sequence[Document]) -> Embedded | None:
        """Return the vectors of documents, or None where it is to end."""
        making = asyncio.create_task(patiently(partial(_made_anew, embedder, documents)))
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait([making, ending], return_when=asyncio.FIRST_COMPLETED)
            return None if self._ending.is_set() else making.result()
        finally:
            making.cancel()
            ending.cancel()

    async def _switched(self, embedder: Embedder, contents: Contents) -> bool:
        """Have the collection switch, and return whether it did; else there is more to make."""
        loop = asyncio.get_running_loop()

        def make(documents: Sequence[Document]) -> Embedded:
            """Embed the last documents, in a thread that changes wait for."""
            work = _made_anew(embedder, documents, time.monotonic() + _LAST_PATIENCE_S)
            return asyncio.run_coroutine_threadsafe(work, loop).result(2 * _LAST_PATIENCE_S)

        try:
            return await contents.write(self.collection.remaking.switch, make)
        except (Overloaded, DeadlineExceeded) as error:
            logger.info("collection %s: its switch is put off: %s", self.collection.name, error)
            return False


async def _made_anew(embedder: Embedder, documents: Sequence[Document], deadline: float) -> Embedded:
    """Make the vectors of stored documents anew, from their texts, as an upsert does.

    Raises:
        InferenceFailed: one of them cannot be embedded.
        DeadlineExceeded, Overloaded, NotServing, ShuttingDown: as `Embedder.embed`.
    """
    contents = [document.content for document in documents]
    try:
        result = await embedder.embed(contents, "document", Lane.INGEST, deadline)
    except NoTokens as error:
        raise InferenceFailed(
            f"the embedder's tokenizer leaves no token of document {shown(documents[error.index].id)}; change its"
            " text, or delete it, and start again"
        ) from error
    return Embedded(result.values, result.tokens.tolist())
