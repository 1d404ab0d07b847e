"""An ingest on `Client`: the caller's thread takes documents and gives answers, gRPC's send, one more listens.

The caller's documents are asked for on its own thread, since they may come from what other threads cannot use.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import grpc

from shortlist.proto import retrieval_pb2 as pb

from .ingest import Ledger
from .types import Document, IngestResult

Call = Callable[[Iterator[pb.IngestRequest]], "grpc.CallIterator[pb.IngestResponse]"]


class BlockingIngest:
    """One ingest: a ledger, and the line that is open now."""

    def __init__(self, call: Call, ledger: Ledger) -> None:
        """Begin without a line; it is opened once there is something to send.

        Args:
            call: opens a line.
            ledger: what is on its way.
        """
        self._call = call
        self._ledger = ledger
        self._changed = threading.Condition()  # around the ledger
        self._line: _Line | None = None
        self._ended = False

    def results(self, documents: Iterable[Document]) -> Iterator[IngestResult]:
        """Send all documents, and yield what became of each."""
        ledger = self._ledger
        try:
            for document in documents:
                with self._changed:
                    ledger.add(document)
                    self._changed.notify_all()
                yield from self._go_on(lambda: not ledger.is_full)
            with self._changed:
                ledger.filled = True
                self._changed.notify_all()
            yield from self._go_on(lambda: self._ended)
        finally:
            self._hang_up()

    def _go_on(self, is_enough: Callable[[], bool]) -> Iterator[IngestResult]:
        """Take answers, and open lines, until it is enough."""
        while True:
            if self._line is None and not self._ledger.is_idle:
                self._line = _Line(self._call, self._requests)
            if self._line is None:
                self._ended = self._ledger.is_done
            enough = is_enough()
            event = self._next(wait=not enough)
            yield from self._ledger.results()
            if event is _NOTHING and enough:
                return

    def _next(self, *, wait: bool) -> object:
        """Take what the line has next, if there is something."""
        if self._line is None:
            return _NOTHING
        try:
            event = self._line.inbox.get(wait, max(0.0, self._ledger.left_s))
        except queue.Empty:
            if not wait:
                return _NOTHING
            if self._ledger.is_done:  # and the server does not end the stream
                self._hang_up()
                return _NOTHING
            raise self._ledger.overdue() from None
        if isinstance(event, pb.IngestResponse):
            with self._changed:
                self._ledger.take(event)
        else:
            self._hang_up()
            if not self._ledger.is_done:
                with self._changed:
                    wait_s = self._ledger.lost(event)
                time.sleep(wait_s)
        return event

    def _requests(self, line: "_Line") -> Iterator[pb.IngestRequest]:
        """Yield what to send on a line, on a thread of gRPC's."""
        yield self._ledger.start
        while True:
            with self._changed:
                while True:
                    if line.is_closed:
                        return
                    if (message := self._ledger.message()) is not None:
                        break
                    if self._ledger.filled:
                        return
                    self._changed.wait()
            yield message

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with self._changed:
                line.is_closed = True
                self._changed.notify_all()
            line.call.cancel()  # type: ignore[no-untyped-call]


class _Line:
    """A stream to the server, and what came on it."""

    def __init__(self, call: Call, sent: Callable[["_Line"], Iterator[pb.IngestRequest]]) -> None:
        """Open it."""
        self.is_closed = False
        # Answers, then how it ended: an error, or None. Bounded by the ledger, which is what is answered.
        self.inbox: queue.SimpleQueue[pb.IngestResponse | grpc.RpcError | None] = queue.SimpleQueue()
        self.call = call(sent(self))
        threading.Thread(target=self._listen, name="ingest", daemon=True).start()

    def _listen(self) -> None:
        try:
            for response in self.call:
                self.inbox.put(response)
        except grpc.RpcError as error:
            self.inbox.put(error)
        else:
            self.inbox.put(None)


_NOTHING = object()
