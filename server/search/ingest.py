"""Documents that come as a stream: checked one by one, written in batches, each answered by itself.

    arriving -> check -> Batches -> two writers: compare, embed, write -> answers

A document that is refused, or that the model cannot run, fails no other. What is in memory is bounded, from the
moment a message is read until its answers are sent (`room.py`): beyond that nothing is read, and the transport holds
the caller back. A full queue of the scheduler is waited for. What ends a stream (a collection that was dropped, a
disk that is full, a server that stops) ends it once the batches under way are answered; a caller sends what was not
answered again.

Runs on the event loop, one `Ingest` a stream (`streams.py` has all of them). Plain types only; knows no gRPC.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import (
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    NoTokens,
    Overloaded,
    ShortlistError,
    TooLarge,
)
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document

from . import document_checks
from .batching import Batches
from .query import Answer, Arrived, Fate
from .room import Share
from .upserts import Upserts

# A transaction has a sync of the disk and a commit of each index: where nothing is embedded that is most of it, and
# 256 documents at once take half the time of 64 at once. Beside 64 that are embedded it is a few percent, and more of
# them would be answered after many seconds.
_BATCH_COST = 256
_EMBEDDED_COST = 4
_BATCH_BYTES = 4 << 20
_LINGER_S = 0.01  # a sync of the disk takes about as long
_WRITERS = 2  # one's documents are embedded while the other's are written
_LONGEST_WAIT_S = 1.0  # for a queue that is full, before it is asked again


@dataclass(frozen=True, slots=True)
class _Sound:
    """A document that may be stored."""

    index: int
    size_bytes: int
    document: Document
    vector: NDArray[np.float32] | None  # float32 [dimensions]

    @property
    def cost(self) -> int:
        """Return about what it takes to write it, beside one that brings its vector."""
        return _EMBEDDED_COST if self.vector is None else 1


class Ingest:
    """One stream of documents."""

    def __init__(self, upserts: Upserts, collection: Collection, share: Share, deadline: float) -> None:
        """Begin with nothing read."""
        self._upserts = upserts
        self._collection = collection
        self._share = share
        self._deadline = deadline
        self._batches: Batches[_Sound] = Batches(_BATCH_COST, _BATCH_BYTES, _LINGER_S)
        self._under_way: dict[str, int] = {}  # of ids that were read and not written yet: the document's index
        self._read_count = 0
        self._answers: list[Answer] = []
        self._answered = False  # all that will be
        self._told = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._fault: ShortlistError | None = None  # what ends the stream

    async def run(
        self,
        arriving: AsyncIterable[Sequence[Arrived]],
        answer: Callable[[Sequence[Answer]], Awaitable[None]],
    ) -> None:
        """Store the documents of the stream; see `Streams.run`."""
        timer = None
        if self._deadline < math.inf:
            over = DeadlineExceeded("the stream's deadline came; send what was not answered in another one")
            left_s = self._deadline - time.monotonic()
            timer = asyncio.get_running_loop().call_later(left_s, self.halt, over)
        try:
            async with asyncio.TaskGroup() as group:
                self._reading = group.create_task(self._read(arriving))
                writing = [group.create_task(self._write()) for _ in range(_WRITERS)]
                group.create_task(self._answer(answer))
                await asyncio.wait([self._reading, *writing])
                self._answered = True
                self._told.set()
        finally:
            if timer:
                timer.cancel()
        if self._fault:
            raise self._fault

    def halt(self, fault: ShortlistError) -> None:
        """Read no more, begin no other batch, and end the stream with a fault."""
        self._fault = self._fault or fault
        self._batches.drop()
        if self._reading:
            self._reading.cancel()

    async def _read(self, arriving: AsyncIterable[Sequence[Arrived]]) -> None:
        """Take in messages for as long as there is room; a message at fault ends the stream after those before it."""
        most = self._upserts.limits.max_batch
        try:
            async for message in arriving:
                if len(message) > most:
                    limit = f"a message holds {most} at most"
                    raise TooLarge("documents", len(message), limit, "send them in several messages")
                for arrived in message:
                    self._take_in(arrived)
                await self._share.wait()
        except ShortlistError as error:
            self._fault = self._fault or error
        finally:
            self._batches.end()

    def _take_in(self, arrived: Arrived) -> None:
        """Put a document where it waits to be written, or refuse it."""
        index, self._read_count = self._read_count, self._read_count + 1
        self._share.take(arrived.size_bytes)
        try:
            sound = self._checked(index, arrived)
        except InvalidRequest as error:
            self._tell(Answer(index, arrived.size_bytes, refusal=error))
        else:
            self._under_way[sound.document.id] = index
            self._batches.put(sound)

    def _checked(self, index: int, arrived: Arrived) -> _Sound:
        document, vector = arrived.document, None
        document_checks.document(self._upserts.limits, document)
        if arrived.vector is not None:
            vector = np.array(arrived.vector, np.float32)
            document_checks.vector(vector, self._collection.origin.dimensions)
        if (first := self._under_way.get(document.id)) is not None:
            limit = f"document {first} of the stream has the same id and is not answered yet"
            raise InvalidRequest("id", document.id, limit, "send each id once, or after the answer to the first")
        return _Sound(index, arrived.size_bytes, document, vector)

    async def _write(self) -> None:
        """Write batch after batch, until nothing more comes."""
        try:
            while batch := await self._batches.take():
                await self._store(batch)
        except ShortlistError as error:
            self.halt(error)

    async def _store(self, batch: list[_Sound]) -> None:
        """Write a batch: without what the model cannot read, in parts if its queue is too small for all of it."""
        while batch:
            documents = [one.document for one in batch]
            brought = {one.document.id: one.vector for one in batch if one.vector is not None}
            try:
                written = await self._upserts.write(self._collection, documents, brought, self._deadline, whole=False)
            except Overloaded as error:
                if self._fault:
                    raise
                await asyncio.sleep(min(error.retry_after_ms / 1000, _LONGEST_WAIT_S))
            except NoTokens as error:
                bad = batch.pop(error.index)
                self._end(bad, refusal=NoTokens(0, bad.document.content, "text"))
            except TooLarge as error:
                if len(batch) == 1:
                    self._end(batch[0], refusal=error)
                    return
                half = len(batch) // 2
                await self._store(batch[:half])
                batch = batch[half:]
            else:
                for one, fate in zip(batch, written.fates, strict=True):
                    self._end(one, fate=fate, refusal=None if fate else _not_run())
                return

    def _end(self, one: _Sound, *, fate: Fate | None = None, refusal: ShortlistError | None = None) -> None:
        """Tell what became of a document that waited to be written."""
        del self._under_way[one.document.id]
        self._tell(Answer(one.index, one.size_bytes, fate, refusal))

    def _tell(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._told.set()

    async def _answer(self, send: Callable[[Sequence[Answer]], Awaitable[None]]) -> None:
        """Send answers as they come, those that are there together; what is answered is not held any more."""
        while self._answers or not self._answered:
            await self._told.wait()
            self._told.clear()
            answers, self._answers = self._answers, []
            if answers:
                await send(answers)
                self._share.free(len(answers), sum(one.size_bytes for one in answers))


def _not_run() -> InferenceFailed:
    return InferenceFailed("the model could not run this document; the server's log has the cause")
