"""`shortlist index`: files into a collection.

Files are read twice: to check them, and to send them. A document that is refused, here or by the server, is told by
file and line at the end, and fails no other. An interrupted run is continued by running it again, since the server
does not embed again what it has already.
"""

import dataclasses
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from shortlist.console import command_line, ending, output
from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress, duration
from shortlist.reading import sources
from shortlist.reading.passages import Cutter
from shortlist.reading.patience import Patience
from shortlist.reading.reader import Read, Reader
from shortlist.reading.refusals import Refusals
from shortlist.reading.sources import Found, Selection
from shortlist.reading.token_lengths import TokenRuler

from . import replacing
from .index_settings import IndexSettings
from .ingesting import Ingesting, Tally

_NAMED = 10  # files that a note names


COMMAND = command_line.command(
    "index",
    """\
shortlist index --collection notes notes/
shortlist index --collection notes notes/ --sync
shortlist index --collection code src/ --include '*.py,*.rst' --exclude 'test_*'
shortlist index --collection quora corpus.jsonl.gz
zcat dump.gz | jq -c '{id: .key, text: .body}' | shortlist index --collection dump - --json""",
)


@COMMAND.default
def run(
    files: Annotated[
        tuple[str, ...],
        command_line.argument(
            "JSON lines (.jsonl, .ndjson, .json), text (.txt, .md, .markdown), each also with .gz; folders,"
            " which are searched for them; - for JSON lines on standard input"
        ),
    ],
    /,
    *,
    settings: Annotated[IndexSettings, command_line.FLAT],
) -> int:
    """Read files into a collection.

    JSON lines hold one object a line: "id" (or "_id", as BEIR writes it) and "text", both strings, and optionally
    "title", a string, and "metadata", an object. Text files become passages with the ids PATH#1, PATH#2, ...: as
    long as both models of the server read whole, beside a query of 32 tokens; cut between paragraphs, and tables,
    lists and fenced code are cut only if they do not fit one. A Markdown passage is titled by the headings that
    lead to it, "Setup > Linux", any other by the file's name. PATH is the file's path as given here; of one over
    480 bytes, a hash takes the place of the beginning.

    A document that is refused, and a line that is none, is named at the end by file and line with the reason, and
    the exit code is 1; the others are indexed. All files are read before anything is sent: one that cannot be read,
    or that does not even begin with a document, stops the command. (Standard input is read as it comes.) Of a
    folder, such a file is skipped and named; so is a text that is not UTF-8.

    What a file was indexed with before and does not hold any more is removed, once all that it holds is
    acknowledged; of a file with a refused document nothing is. Of files that are not there any more the documents
    stay, and a note counts them; --sync removes them. A file is known by PATH, so name folders the same way each
    time. What comes from standard input replaces documents of the same ids only.

    Interrupted? Run the same command again. What the server has acknowledged is on its disk, and a document that
    is there already is passed over quickly, counted as unchanged: it is not embedded again. A server that restarts
    meanwhile is waited for. The rate is that of what was embedded or written.
    """
    files = tuple("-" if path == "/dev/stdin" else path for path in files)
    if files.count("-") > 1:
        raise UsageError("standard input (-) can be read only once")
    found = sources.find(files, Selection(settings.include, settings.exclude))
    noun = _noun(found)
    with settings.client() as client:
        limits = client.describe().limits
        patience = Patience(settings.patience_s)
        cutter = Cutter(lambda: TokenRuler(client, patience, limits))
        total = (
            None
            if any(source.is_stdin for source in found.files)
            else _check(found, Reader(limits.max_text_bytes, cutter))
        )
        reader = Reader(limits.max_text_bytes, cutter)
        began = time.monotonic()
        progress = Progress(sys.stderr, "indexed", total, noun=noun)
        ingesting = Ingesting(client, settings.collection, progress, reader.refused)
        _send(ingesting, files, settings, reader.documents(found.files))
        sent = ingesting.sent
        left = replacing.find(client, settings.collection, found, reader, sent, limits.max_batch)
        names = [*left.replaced, *(left.gone if settings.sync else ())]
        removed = replacing.remove(client, settings.collection, names, sent, limits.max_batch)
    elapsed_s = time.monotonic() - began
    outcome = Outcome(ingesting.tally, reader, removed, left.gone, elapsed_s, progress.pace.mean)
    _report(settings, outcome, noun)
    _note(settings, found, outcome)
    return ending.FAILED if reader.refused.count else ending.OK


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the files."""

    tally: Tally
    reader: Reader
    removed: int  # documents
    gone: dict[str, int]  # files that are not there any more, and the documents that came from them
    elapsed_s: float
    rate: float  # documents a second that were new or replaced, while there were such


def _check(found: Found, reader: Reader) -> int:
    """Read all files once, so that nothing is sent if one cannot be read; return how many documents there are."""
    count = 0
    with Progress(sys.stderr, "checked", noun=_noun(found)) as progress:
        for count, _ in enumerate(reader.documents(found.files), start=1):
            progress.update(count)
    return count


def _send(ingesting: Ingesting, files: Sequence[str], settings: IndexSettings, every: Iterator[Read]) -> None:
    """Send all documents, into a collection that is made once there is something to put into it."""
    first = next(every, None)
    tally, refused = ingesting.tally, ingesting.refusals
    if first is None:
        _name_refused(refused)
        raise UsageError(f"{', '.join(files)}: no document is in there; nothing was changed")
    if settings.create:
        ingesting.client.create_collection(settings.collection, exist_ok=True, language=settings.language)
    try:
        with ingesting.progress:
            ingesting.send(itertools.chain([first], every), settings.patience_s)
    except BaseException:
        _name_refused(refused)
        if tally.documents:
            print(
                f"stopped after {tally.documents:,} documents, which are indexed: {tally}. The same command"
                " continues: documents that are there already are not embedded again.",
                file=sys.stderr,
            )
        raise


def _noun(found: Found) -> str:
    """Return what the files hold: lines of JSON are documents, and texts are cut into passages."""
    return "passage" if all(source.is_text for source in found.files) else "document"


def _report(settings: IndexSettings, outcome: Outcome, noun: str) -> None:
    tally, reader = outcome.tally, outcome.reader
    if settings.json:
        counts = {"collection": settings.collection, "documents": tally.documents, **dataclasses.asdict(tally)}
        rest = {
            "removed": outcome.removed,
            "gone": 0 if settings.sync else sum(outcome.gone.values()),
            "refused": reader.refused.count,
            "repeated": reader.repeated,
            "empty": len(reader.empty),
            "skipped": len(reader.skipped),
            "seconds": round(outcome.elapsed_s, 3),
            "documents_per_s": round(outcome.rate, 1),
        }
        output.write(json.dumps(counts | rest))
    else:
        rate = f", {outcome.rate:,.0f}/s" if outcome.rate else ""
        refused = f", {reader.refused.count:,} refused" if reader.refused.count else ""
        output.write(
            f"{settings.collection}: {output.counted(tally.documents, noun)} in {duration(outcome.elapsed_s)}{rate}:"
            f" {tally}, {outcome.removed:,} removed{refused}"
        )


def _note(settings: IndexSettings, found: Found, outcome: Outcome) -> None:
    """Print on standard error what of the files cannot be found by searches, or only in part."""
    reader = outcome.reader
    _name_refused(reader.refused)
    notes = {
        "documents are longer than the embedder's window: it saw only their beginning; cut them, or export it with a"
        " larger --max-tokens": outcome.tally.truncated,
        "documents came again and were left out": reader.repeated,
    }
    for note, count in notes.items():
        if count:
            print(f"note: {count:,} {note}", file=sys.stderr)
    if reader.ignored:
        names = ", ".join(sorted(reader.ignored))
        print(f"note: not indexed: {names}; put under metadata what searches are to return", file=sys.stderr)
    of_gone = f"{sum(outcome.gone.values()):,} documents of theirs"
    fate = f"{of_gone} were removed" if settings.sync else f"{of_gone} are still found; --sync removes them"
    _name(f"files are not there any more, and {fate}", list(outcome.gone))
    _name("files hold no document", reader.empty)
    _name("files were skipped, since they are not for it; --exclude leaves them out", list(reader.skipped.values()))
    if found.other_kinds:
        kinds = ", ".join(f"{ending} {count:,}" for ending, count in found.other_kinds.most_common(_NAMED))
        ((first, _),) = found.other_kinds.most_common(1)
        print(
            f"note: {found.other_kinds.total():,} files of other kinds were passed over ({kinds}); to read them as"
            f" text, name them: --include '*{first}'",
            file=sys.stderr,
        )


def _name_refused(refused: Refusals) -> None:
    _name("documents were refused; of their files nothing is removed", refused.first, refused.count)


def _name(what: str, names: Sequence[str], count: int = 0) -> None:
    """Print how many there are, and the first of them by name; `count`, where not all of them are given."""
    first, count = names if count else names[:_NAMED], count or len(names)
    if names:
        print("\n  ".join([f"note: {count:,} {what}:", *first]), file=sys.stderr)
    if count > len(first):
        print(f"  ... and {count - len(first):,} more", file=sys.stderr)
