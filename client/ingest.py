"""An ingest without the line: which documents wait to be sent, which for an answer, and what a lost line means.

Both clients drive one `Ledger` (`blocking_ingest.py`, `async_ingest.py`). It holds each document until its answer, so
that all that was not answered can be sent again on another line: an id that comes twice leaves what it would have
left once. How much it holds is bounded. Knows neither threads nor event loops.
"""

import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from shortlist.proto import retrieval_pb2 as pb

from . import channel, errors, requests, responses
from .types import Document, IngestResult

# What a server reads before it answers, so that it need not wait.
_MOST_DOCUMENTS = 1024
_MOST_BYTES = 32 << 20
_MESSAGE_DOCUMENTS = 64
_MESSAGE_BYTES = 1 << 20
_AROUND_BYTES = 1 << 10  # of a message, around its documents

# As gRPC waits before it repeats other calls (`channel.py`).
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0

# What may pass. CANCELLED comes of servers that were stopped in the middle; a client's own is never asked for.
_PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED)
# What grpc.aio says instead of the server's status if something was being sent when that came (grpc's issue 36066).
_STATUS_LOST = "Internal error from Core"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A document on its way."""

    index: int  # its place among all that the caller has
    document: Document
    message: pb.Document
    size_bytes: int


class Ledger:
    """The documents of one ingest that are not answered yet, and the answers that its caller has not got yet."""

    def __init__(self, start: pb.IngestRequest, timeout_s: float, address: str, note: str) -> None:
        """Begin with no document.

        Args:
            start: the first message of each line.
            timeout_s: for how long no answer may come while documents wait for one.
            address: where the server is, for errors.
            note: what stands in the way to the server, for errors.
        """
        self.start = start
        self.filled = False  # the caller has no more documents
        self._timeout_s = timeout_s
        self._address, self._note = address, note
        self._count = 0
        self._unsent: deque[_Entry] = deque()
        self._sent: dict[int, _Entry] = {}  # by their place in the present stream
        self._stream_count = 0
        self._waiting = 0  # documents, and their bytes: sent or not
        self._bytes = 0
        self._most = _MESSAGE_DOCUMENTS  # in a message
        self._alone = False  # a document is sent once the one before it is answered, to find one that is too large
        self._results: deque[IngestResult] = deque()
        self._since = 0.0  # of the last answer, the first document that waits for one, or the first line that broke
        self._failures = 0  # since the last answer
        self._is_reached = False  # by a line: a server that was there is waited for longer
        self._fault: errors.ShortlistError | None = None  # the last of them

    @property
    def is_full(self) -> bool:
        """Return whether no more documents are to be taken now."""
        return self._waiting >= _MOST_DOCUMENTS or self._bytes >= _MOST_BYTES

    @property
    def is_idle(self) -> bool:
        """Return whether no document waits for anything."""
        return not self._waiting

    @property
    def is_done(self) -> bool:
        """Return whether every document is answered and no more come."""
        return self.filled and self.is_idle

    @property
    def left_s(self) -> float:
        """Return for how long the next answer, or the end, may still be awaited."""
        if self.is_idle and not self.filled:
            return self._timeout_s
        return self._since + self._timeout_s - time.monotonic()

    def add(self, document: Document) -> None:
        """Take a document; one that cannot be sent is answered here."""
        index, self._count = self._count, self._count + 1
        try:
            message = requests.document(document)
            size_bytes = message.ByteSize()
            if size_bytes + _AROUND_BYTES > channel.MAX_MESSAGE_BYTES:
                channel.check_size(pb.IngestRequest(documents=[message, pb.Document(text="x" * _AROUND_BYTES)]))
        except errors.InvalidRequest as error:
            self._results.append(IngestResult(index, document, "refused", error=error))
            return
        if self.is_idle:
            self._since = time.monotonic()
        self._waiting += 1
        self._bytes += size_bytes
        self._unsent.append(_Entry(index, document, message, size_bytes))

    def message(self) -> pb.IngestRequest | None:
        """Return the next message to send; None where there is nothing to be sent."""
        message, size_bytes = pb.IngestRequest(), 0
        if self._alone and self._sent:
            return None
        while self._unsent and len(message.documents) < self._most:
            size_bytes += self._unsent[0].size_bytes
            if message.documents and size_bytes > _MESSAGE_BYTES:
                break
            entry = self._unsent.popleft()
            message.documents.append(entry.message)
            self._sent[self._stream_count] = entry
            self._stream_count += 1
        return message if message.documents else None

    def take(self, response: pb.IngestResponse) -> None:
        """Take answers.

        Raises:
            ServerError: the server answered what it was not sent, or in a way that this client does not know.
        """
        for one in response.results:
            if one.index not in self._sent:
                raise errors.ServerError(f"the server answered document {one.index} of the stream twice, or unasked")
            entry = self._settled(one.index)
            self._results.append(responses.ingest(one, entry.index, entry.document))
        self._since = time.monotonic()
        self._failures, self._fault, self._is_reached = 0, None, True

    def results(self) -> Iterator[IngestResult]:
        """Yield the answers that are there, once each."""
        while self._results:
            yield self._results.popleft()

    def lost(self, error: grpc.RpcError | None) -> float:
        """Have all that was not answered sent again, after a line that ended; return how many seconds to wait before.

        Args:
            error: how it ended; None: as if all was answered.

        Raises:
            ShortlistError: sending again would not help, no answer came for too long, or no server is there.
        """
        fault = errors.Unavailable(f"the stream ended before all was answered{self._note}")
        translated = errors.of_rpc(error, self._timeout_s, self._address, self._note) if error else fault
        wait_s = 0.0
        if isinstance(translated, errors.TooLarge):
            self._shrink(translated)
        elif error and error.code() not in _PASSING and error.details() != _STATUS_LOST:
            raise translated from error
        else:
            wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**self._failures) * random.uniform(0.8, 1.2)  # noqa: S311 (spreads callers, hides nothing)
            if isinstance(translated, errors.Overloaded) and translated.retry_after_s is not None:
                wait_s = translated.retry_after_s
            if not self._failures:  # until now it may have been the caller who took so long
                self._since = time.monotonic()
            self._failures, self._fault = self._failures + 1, translated
            self._is_reached |= error is None or not errors.is_unreached(error)
            is_absent = not self._is_reached and self._failures >= channel.ATTEMPTS
            if is_absent or wait_s > self.left_s:
                raise translated from error
        self._unsent.extendleft(entry for _, entry in sorted(self._sent.items(), reverse=True))
        self._sent.clear()
        self._stream_count = 0
        return wait_s

    def overdue(self) -> errors.ShortlistError:
        """Return the error of answers that did not come: what broke the last line, if one was broken."""
        return self._fault or errors.DeadlineExceeded(
            f"no answer came to {self._waiting:,} documents (timeout_s={self._timeout_s:g}){self._note}"
        )

    def _shrink(self, error: errors.TooLarge) -> None:
        """Send less in a message, then one document at a time, and refuse the one that is too large by itself."""
        if self._alone and self._sent:
            entry = self._settled(min(self._sent))
            self._results.append(IngestResult(entry.index, entry.document, "refused", error=error))
            self._most, self._alone = _MESSAGE_DOCUMENTS, False
        elif self._most > 1:
            self._most //= 2
        else:
            self._alone = True

    def _settled(self, place: int) -> _Entry:
        """Take a document that is answered off those that wait."""
        entry = self._sent.pop(place)
        self._waiting -= 1
        self._bytes -= entry.size_bytes
        return entry
