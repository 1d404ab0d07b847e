"""What a collection still holds of files that were indexed again, and does not hold any more.

`shortlist index` knows by its file what a document came from. Once all of a file's documents are acknowledged, others
from it are left over from what it held before; and what came from below a folder that was named, from a file that is
not there any more, is gone. Nothing is looked for before the last acknowledgement. A file of which a document was
refused keeps all: what was there may be that document's last good version.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from shortlist.client.client import Client
from shortlist.client.types import Document
from shortlist.reading.reader import Reader
from shortlist.reading.sources import Found

# Above this the server is asked once for all its sources, and not for each that was named.
_ASKED_ONE_BY_ONE = 50


@dataclass(slots=True)
class Sent:
    """The ids of the documents that were acknowledged, by their source."""

    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, document: Document) -> None:
        """Note a document."""
        self.ids[document.source].add(document.id)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a collection holds that its files do not."""

    replaced: dict[str, int]  # by source: documents that it does not hold any more
    gone: dict[str, int]  # by source that is not there any more: its documents


def find(client: Client, collection: str, found: Found, reader: Reader, sent: Sent, most: int) -> Leftovers:
    """Compare what the server has, asked for `most` sources at a time, with what was read and acknowledged."""
    kept = {source.name for source in found.files if source.path in reader.skipped} | reader.refused.sources
    read = {source.name for source in found.files if not source.is_stdin} - kept
    there = _there(client, collection, found, read, most)
    # What was sent is there, so a source that has as many holds nothing else.
    counts = {name: count - len(sent.ids.get(name, ())) for name, count in there.items() if name in read}
    gone = {
        name: count
        for name, count in there.items()
        if name not in read | kept and any(_is_below(name, folder) for folder in found.folders)
    }
    return Leftovers({name: count for name, count in counts.items() if count > 0}, gone)


def remove(client: Client, collection: str, names: Iterable[str], sent: Sent, most: int) -> int:
    """Delete what came from some sources and was not sent, `most` at a time; return how many documents it was."""
    removed = 0
    for name in names:
        every = client.list(collection, source=name, ids_only=True, page_size=most)
        ids = [one.id for one in every if one.id not in sent.ids.get(name, ())]
        for start in range(0, len(ids), most):
            removed += client.delete(collection, ids[start : start + most])
    return removed


def _there(client: Client, collection: str, found: Found, read: set[str], most: int) -> dict[str, int]:
    """Return the server's sources among and below what was named, with their documents."""
    named = {*found.folders, *(source.name for source in found.files if not source.is_found and source.name in read)}
    # Sources below the working folder have no common beginning.
    places = [""] if named & {".", "/"} or len(named) > _ASKED_ONE_BY_ONE else sorted(named)
    return {
        source.name: source.documents
        for place in places
        for source in client.list_sources(collection, below=place, page_size=most)
    }


def _is_below(name: str, folder: str) -> bool:
    if folder == ".":
        return not name.startswith(("/", "../"))
    return name.startswith(folder.rstrip("/") + "/")
