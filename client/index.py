"""`shortlist index`: files into a collection.

One thread reads; `in_flight` threads each wait for an upsert of one batch. The server acknowledges a batch when it is
on disk, and does not embed again what it has already, so an interrupted run is continued by running it again.
"""

import dataclasses
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from shortlist.client import errors, output, sources
from shortlist.client.client import Client
from shortlist.client.command import Command, Connection
from shortlist.client.options import UsageError
from shortlist.client.progress import Progress, duration
from shortlist.client.reading import Reader
from shortlist.client.sources import Source
from shortlist.client.types import Document, Limits, UpsertResult
from shortlist.server.errors import check_range

# What may help after a wait. An upsert that was cut off may be sent again: its documents have ids.
_PASSING = (errors.Overloaded, errors.Unavailable, errors.DeadlineExceeded)
# How the server refuses an upsert that no wait would help: its queue, even empty, does not hold so many tokens.
_OVER_QUEUE = re.compile(r"request: got '?[\d,]+ tokens")
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 15.0
# Far below what a request may hold: a batch is what is sent again when a call fails.
_BATCH_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings(Connection):
    """Hold the settings of `shortlist index`."""

    files: tuple[str, ...] = field(
        metadata={
            "help": "JSON lines (.jsonl, .ndjson, .json), text (.txt, .md), either with .gz; folders, which are"
            " searched for them; - for JSON lines on standard input",
            "positional": True,
            "metavar": "FILE",
        }
    )
    collection: str = field(metadata={"help": "collection to put the documents in", "metavar": "NAME"})
    create: bool = field(default=True, metadata={"help": "make the collection if it is not there"})
    batch_size: int = field(default=64, metadata={"help": "documents in one call"})
    in_flight: int = field(default=4, metadata={"help": "calls under way at once"})
    patience_s: float = field(
        default=300.0,
        metadata={"help": "seconds to try again while the server is busy or away", "metavar": "S"},
    )
    json: bool = field(default=False, metadata={"help": "print the result as one JSON object"})
    timeout_s: float = field(
        default=120.0, metadata={"help": "seconds that a call may take", "metavar": "S", "group": "connection"}
    )

    def __post_init__(self) -> None:
        """Refuse what could index nothing.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        Connection.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        for name in ("batch_size", "in_flight"):
            check_range(name, getattr(self, name), 1)
        if sum(path == "-" for path in self.files) > 1:
            raise UsageError("standard input (-) can be read only once")


@dataclass(slots=True)
class Tally:
    """Count what became of the documents."""

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


def run(settings: IndexSettings) -> int:
    """Index the files and say what became of them."""
    files = sources.find(settings.files)
    with settings.client() as client:
        limits = client.describe().limits
        total = None if any(source.is_stdin for source in files) else _check(files, limits)
        if settings.create:
            client.create_collection(settings.collection, exist_ok=True)
        began = time.monotonic()
        reader, tally = Reader(limits.max_text_bytes), Tally()
        progress = Progress(sys.stderr, "indexed", total)
        try:
            _send(client, settings, _batches(reader, files, settings.batch_size, limits), tally, progress)
        except BaseException:
            progress.clear()
            if tally.documents:
                print(
                    f"stopped after {tally.documents:,} documents, which are indexed. The same command continues:"
                    " documents that are there already are not embedded again.",
                    file=sys.stderr,
                )
            raise
        progress.clear()
    _report(settings, tally, reader, time.monotonic() - began)
    return 0


def _check(files: list[Source], limits: Limits) -> int:
    """Read all files once, so that nothing is sent if a line cannot be; return how many documents there are."""
    progress = Progress(sys.stderr, "checked")
    count = 0
    for count, _ in enumerate(Reader(limits.max_text_bytes).documents(files), start=1):
        progress.update(count)
    progress.clear()
    return count


def _batches(reader: Reader, files: list[Source], size: int, limits: Limits) -> Iterator[list[Document]]:
    most = min(size, limits.max_batch)
    most_bytes = min(_BATCH_BYTES, limits.max_request_bytes // 2)
    batch: list[Document] = []
    batch_bytes = 0
    for document, document_bytes in reader.documents(files):
        if batch and (len(batch) == most or batch_bytes + document_bytes > most_bytes):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(document)
        batch_bytes += document_bytes
    if batch:
        yield batch


def _send(
    client: Client, settings: IndexSettings, batches: Iterator[list[Document]], tally: Tally, progress: Progress
) -> None:
    """Upsert all batches, `in_flight` at once; the first failure stops the others."""
    stopping = threading.Event()
    pending: set[Future[list[UpsertResult]]] = set()
    with ThreadPoolExecutor(settings.in_flight, thread_name_prefix="upsert") as pool:
        try:
            for batch in batches:
                pending.add(pool.submit(_upsert, client, settings, batch, stopping))
                if len(pending) == settings.in_flight:
                    pending = _collect(pending, tally, progress)
            while pending:
                pending = _collect(pending, tally, progress)
        except BaseException:
            stopping.set()
            client.close()
            raise


def _collect(
    pending: set[Future[list[UpsertResult]]], tally: Tally, progress: Progress
) -> set[Future[list[UpsertResult]]]:
    """Wait for one upsert at least, count those that ended, and return the rest."""
    ended, rest = wait(pending, return_when=FIRST_COMPLETED)
    for future in ended:
        for result in future.result():
            tally.add(result)
    progress.update(tally.documents, tally.unchanged)
    return rest


def _upsert(
    client: Client, settings: IndexSettings, batch: list[Document], stopping: threading.Event
) -> list[UpsertResult]:
    """Upsert one batch, again and again while the server is busy or away, and in halves if it is too large."""
    give_up: float | None = None
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            return [client.upsert(settings.collection, batch)]
        except errors.InvalidRequest as error:
            if len(batch) == 1 or not _OVER_QUEUE.match(str(error)):
                raise
            halves = batch[: len(batch) // 2], batch[len(batch) // 2 :]
            return [result for half in halves for result in _upsert(client, settings, half, stopping)]
        except _PASSING:
            now = time.monotonic()
            give_up = give_up or now + settings.patience_s
            if now >= give_up or stopping.wait(wait_s):
                raise
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _report(settings: IndexSettings, tally: Tally, reader: Reader, elapsed_s: float) -> None:
    rate = tally.documents / elapsed_s if elapsed_s else 0.0
    if settings.json:
        counts = {"collection": settings.collection, "documents": tally.documents, **dataclasses.asdict(tally)}
        rest = {"repeated": reader.repeated, "seconds": round(elapsed_s, 3), "documents_per_s": round(rate, 1)}
        output.write(json.dumps(counts | rest))
    else:
        output.write(
            f"{settings.collection}: {tally.documents:,} documents in {duration(elapsed_s)}, {rate:,.0f}/s:"
            f" {tally.inserted:,} new, {tally.updated:,} replaced, {tally.unchanged:,} unchanged"
        )
    notes = {
        "are longer than the embedder's window: it saw only their beginning; cut them, or export it with a larger"
        " --max-tokens": tally.truncated,
        "came again and were left out": reader.repeated,
    }
    for note, count in notes.items():
        if count:
            print(f"note: {count:,} documents {note}", file=sys.stderr)
    if reader.ignored:
        names = ", ".join(sorted(reader.ignored))
        print(f"note: not indexed: {names}; put under metadata what searches are to return", file=sys.stderr)


COMMAND = Command(
    summary="read files into a collection",
    description="""\
Read documents from files and put them in a collection.

JSON lines hold one object a line: "id" (or "_id", as BEIR writes it) and "text", both strings, and optionally
"title", a string, and "metadata", an object. Text files are cut at blank lines into passages of up to 1,000
characters, with the ids PATH#1, PATH#2, ... and the title of the file's first heading, or else its name. PATH is the
file's path as given here; of one over 480 bytes, a hash takes the place of the beginning.

All files are read and checked before anything is sent: a line that is no document stops the command, by file and
line. (Standard input is checked as it comes.)

Interrupted? Run the same command again. What the server has acknowledged is on its disk, and a document that is
there already, equal in every field, is not embedded again. Documents that left the files stay in the collection.""",
    examples="""\
  shortlist index --collection notes notes/
  shortlist index --collection quora corpus.jsonl.gz --batch-size 128
  zcat dump.gz | jq -c '{id: .key, text: .body}' | shortlist index --collection dump - --json""",
    settings=lambda: IndexSettings,
    run=run,
)
