"""Documents to a collection, and what became of them: what `shortlist index` sends, and counts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from shortlist.client.client import Client
from shortlist.client.types import Document, IngestResult
from shortlist.console.progress import Progress
from shortlist.reading.reader import Read
from shortlist.reading.refusals import Refusals

from .replacing import Sent


@dataclass(slots=True)
class Tally:
    """What became of the documents that the server acknowledged."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    truncated: int = 0

    @property
    def documents(self) -> int:
        """How many there are."""
        return self.inserted + self.updated + self.unchanged

    def add(self, result: IngestResult) -> None:
        """Count one."""
        self.inserted += result.outcome == "inserted"
        self.updated += result.outcome == "updated"
        self.unchanged += result.outcome == "unchanged"
        self.truncated += result.truncated

    def __str__(self) -> str:
        return f"{self.inserted:,} new, {self.updated:,} replaced, {self.unchanged:,} unchanged"


@dataclass(frozen=True, slots=True)
class Ingesting:
    """The way of documents into one collection, and what became of them."""

    client: Client
    collection: str
    progress: Progress
    refusals: Refusals
    sent: Sent = field(default_factory=Sent)
    tally: Tally = field(default_factory=Tally)
    _places: dict[int, str] = field(default_factory=dict)  # of documents that are not answered yet

    def send(self, documents: Iterable[Read], patience_s: float) -> None:
        """Send all documents, and wait so many seconds at most for the next one to be acknowledged."""
        for result in self.client.ingest(self.collection, self._noting(documents), timeout_s=patience_s):
            place = self._places.pop(result.index)
            if result.error:
                self.refusals.add(place, result.document.source, result.error)
                continue
            self.sent.add(result.document)
            self.tally.add(result)
            self.progress.update(self.tally.documents, self.tally.unchanged)

    def _noting(self, documents: Iterable[Read]) -> Iterator[Document]:
        for index, read in enumerate(documents):
            self._places[index] = read.place
            yield read.document
