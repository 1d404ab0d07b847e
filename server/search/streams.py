"""All streams of documents that a server takes: begun, bounded together, and ended when it stops."""

import math
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

from shortlist.server.errors import ShuttingDown
from shortlist.server.storage.collection import Collection

from .ingest import Ingest
from .query import Answer, Arrived
from .room import Bounds, Room, Share
from .upserts import Upserts


class Streams:
    """The streams of one server."""

    def __init__(self, upserts: Upserts, bounds: Bounds | None = None) -> None:
        """Begin with none."""
        self.room = Room(bounds or Bounds())
        self._upserts = upserts
        self._running: set[Ingest] = set()
        self._stopping = False

    async def run(
        self,
        collection: Collection,
        arriving: AsyncIterable[Sequence[Arrived]],
        answer: Callable[[Sequence[Answer]], Awaitable[None]],
        deadline: float = math.inf,
    ) -> None:
        """Store the documents of a stream until it ends.

        Args:
            collection: where to.
            arriving: messages, each with some documents.
            answer: sends what became of documents.
            deadline: a time of the monotonic clock, in seconds.

        Raises:
            InvalidRequest: a message is at fault, and not one document.
            DeadlineExceeded, UnknownCollection, StorageFailed, NotServing, ShuttingDown: the stream cannot go on.
                Whatever is raised, what was not answered may be stored or not.
        """
        with Share(self.room) as share:
            ingest = Ingest(self._upserts, collection, share, deadline)
            self._running.add(ingest)
            try:
                if self._stopping:
                    raise _stopped()
                await ingest.run(arriving, answer)
            finally:
                self._running.discard(ingest)

    def stop(self) -> None:
        """Have all streams end once the batches under way are answered."""
        self._stopping = True
        for ingest in self._running:
            ingest.halt(_stopped())


def _stopped() -> ShuttingDown:
    return ShuttingDown("the server is stopping; send what was not answered to another one, or again later")
