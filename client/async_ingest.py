"""An ingest on `AsyncClient`: one task takes documents, one talks to the server, and the caller gets answers.

All run on the client's event loop.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

import grpc

from .ingest import Ledger
from .types import Document, IngestResult

if TYPE_CHECKING:
    from shortlist.proto import retrieval_pb2 as pb

    Method = grpc.aio.StreamStreamMultiCallable[pb.IngestRequest, pb.IngestResponse]
    Call = grpc.aio.StreamStreamCall[pb.IngestRequest, pb.IngestResponse]

_END = grpc.aio.EOF  # type: ignore[attr-defined] # missing in its stubs

_MOST_RESULTS = 1024  # that their caller has not taken yet: beyond, no document is taken


class AsyncIngest:
    """One ingest: a ledger, and the tasks around it."""

    def __init__(self, call: "Method", metadata: tuple[tuple[str, str], ...], ledger: Ledger) -> None:
        """Begin without a line; it is opened once there is something to send.

        Args:
            call: opens a line.
            metadata: what goes with it.
            ledger: what is on its way.
        """
        self._call, self._metadata = call, metadata
        self._ledger = ledger
        self._came = asyncio.Event()  # documents, or their end
        self._freed = asyncio.Event()  # room for documents
        self._results: asyncio.Queue[IngestResult | BaseException | None] = asyncio.Queue()

    async def results(self, documents: Iterable[Document] | AsyncIterable[Document]) -> AsyncIterator[IngestResult]:
        """Send all documents, and yield what became of each."""
        tasks = [asyncio.create_task(self._told(part)) for part in (self._fill(documents), self._talk())]
        try:
            while (found := await self._results.get()) is not None:
                self._freed.set()
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _told(self, part: Coroutine[Any, Any, None]) -> None:
        """Have the caller raise what a task raises."""
        try:
            await part
        except Exception as error:  # noqa: BLE001 (it is raised where the caller is)
            self._results.put_nowait(error)

    async def _fill(self, documents: Iterable[Document] | AsyncIterable[Document]) -> None:
        """Take documents, as many as there is room for."""
        async for document in _each(documents):
            self._ledger.add(document)
            self._pass_on()
            self._came.set()
            while self._ledger.is_full or self._results.qsize() >= _MOST_RESULTS:
                self._freed.clear()
                await self._freed.wait()
        self._ledger.filled = True
        self._came.set()

    async def _talk(self) -> None:
        """Open line after line, until all is answered."""
        while not self._ledger.is_done:
            if self._ledger.is_idle:
                self._came.clear()
                await self._came.wait()
                continue
            error = await self._line()
            if not self._ledger.is_done:
                await asyncio.sleep(self._ledger.lost(error))
        self._results.put_nowait(None)

    async def _line(self) -> grpc.RpcError | None:
        """Send and take answers on one line until it ends, and return how."""
        # Its stubs know no calls that are written to.
        call = self._call(metadata=self._metadata)  # type: ignore[call-arg]
        sending = asyncio.create_task(self._send(call))
        try:
            while True:
                response = await self._read(call)
                if response is _END:
                    return None
                self._ledger.take(response)
                self._pass_on()
                self._freed.set()
        except grpc.RpcError as error:
            return error
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            call.cancel()

    async def _read(self, call: "Call") -> Any:
        """Return the next answer, or how gRPC says that there is none."""
        reading = asyncio.ensure_future(call.read())
        try:
            while not reading.done():
                patience_s = self._ledger.left_s
                if patience_s <= 0:
                    if self._ledger.is_done:  # and the server does not end the stream
                        return _END
                    raise self._ledger.overdue()
                await asyncio.wait([reading], timeout=patience_s)
            return reading.result()
        finally:
            reading.cancel()

    async def _send(self, call: "Call") -> None:
        """Send what comes; how a line fails is told by what is read."""
        await call.write(self._ledger.start)
        # Sent once the start is taken: of a refusal that meets a write no status is left.
        await call.initial_metadata()
        while True:
            self._came.clear()
            while (message := self._ledger.message()) is not None:
                await call.write(message)
            if self._ledger.filled:
                break
            await self._came.wait()
        await call.done_writing()

    def _pass_on(self) -> None:
        for result in self._ledger.results():
            self._results.put_nowait(result)


async def _each(documents: Iterable[Document] | AsyncIterable[Document]) -> AsyncIterator[Document]:
    if isinstance(documents, AsyncIterable):
        async for document in documents:
            yield document
    else:
        for document in documents:
            yield document
