"""Documents to a collection: batches, several calls at once, and what became of them.

`in_flight` threads each wait for an upsert of one batch. The server acknowledges a batch when it is on disk, and does
not embed again what it has already.
"""

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from shortlist.client import errors
from shortlist.client.client import Client
from shortlist.client.types import Document, UpsertResult
from shortlist.console.progress import Progress
from shortlist.reading.patience import Patience


@dataclass(slots=True)
class Tally:
    """What became of the documents."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    truncated: int = 0

    @property
    def documents(self) -> int:
        """Documents that the server acknowledged."""
        return self.inserted + self.updated + self.unchanged

    def add(self, result: UpsertResult) -> None:
        """Count one batch."""
        self.inserted += result.inserted
        self.updated += result.updated
        self.unchanged += result.unchanged
        self.truncated += result.truncated


@dataclass(frozen=True, slots=True)
class Upserts:
    """The upserts into one collection, `in_flight` of them at once."""

    client: Client
    collection: str
    in_flight: int
    patience: Patience
    progress: Progress
    tally: Tally = field(default_factory=Tally)

    def send(self, batches: Iterable[list[Document]]) -> None:
        """Upsert all batches; the first failure stops the others."""
        pending: set[Future[list[UpsertResult]]] = set()
        with ThreadPoolExecutor(self.in_flight, thread_name_prefix="upsert") as pool:
            try:
                for batch in batches:
                    pending.add(pool.submit(self._upsert, batch))
                    if len(pending) == self.in_flight:
                        pending = self._collect(pending)
                while pending:
                    pending = self._collect(pending)
            except BaseException:
                self.patience.stopping.set()
                self.client.close()
                raise

    def _collect(self, pending: set[Future[list[UpsertResult]]]) -> set[Future[list[UpsertResult]]]:
        """Wait for one upsert at least, count those that ended, and return the rest."""
        ended, rest = wait(pending, return_when=FIRST_COMPLETED)
        for future in ended:
            for result in future.result():
                self.tally.add(result)
        self.progress.update(self.tally.documents, self.tally.unchanged)
        return rest

    def _upsert(self, batch: list[Document]) -> list[UpsertResult]:
        """Upsert one batch, in halves if it is too much for one call."""
        try:
            return [self.patience.call(lambda: self.client.upsert(self.collection, batch))]
        except errors.TooLarge:
            if len(batch) == 1:
                raise
            halves = batch[: len(batch) // 2], batch[len(batch) // 2 :]
            return [result for half in halves for result in self._upsert(half)]
