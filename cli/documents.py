"""`shortlist get` and `shortlist delete`: documents by their ids."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from shortlist.client import errors
from shortlist.client.client import Client
from shortlist.client.types import Document
from shortlist.console import command_line, output
from shortlist.console.connection import Connection
from shortlist.console.errors import UsageError
from shortlist.reading import sources

_INDENT = "  "
_Id = Annotated[str, command_line.argument("which documents; if there is none, each line of standard input is one")]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Documents(Connection):
    """The settings of both commands."""

    collection: Annotated[str, Parameter(metavar="NAME")]
    """collection that they are in"""

    def batches(self, client: Client, given: Sequence[str]) -> Iterator[Sequence[str]]:
        """Yield the ids, each once, as many at a time as the server takes.

        Raises:
            UsageError: there are none.
        """
        ids = list(dict.fromkeys(given or filter(str.strip, sources.standard_lines())))
        if not ids:
            raise UsageError("no id was given; give some as arguments, or as lines of standard input")
        most = client.describe().limits.max_batch
        return (ids[start : start + most] for start in range(0, len(ids), most))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSettings(_Documents):
    """The settings of `shortlist get`."""

    json: bool = False
    """print each as a line of JSON, as `shortlist index` reads it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSettings(_Documents):
    """The settings of `shortlist delete`."""

    json: bool = False
    """print the result as one JSON object"""


GET = command_line.command(
    "get",
    """\
shortlist get --collection notes 'notes/travel.md#1'
shortlist search --collection notes --json "renew" | jq -r '.hits[].id' | shortlist get --collection notes
shortlist get --collection notes --json 'notes/travel.md#1' | jq -r .text""",
)


@GET.default
def get(*ids: _Id, settings: Annotated[GetSettings, command_line.FLAT]) -> int:
    """Print documents by their ids.

    They are printed whole, in the order of the ids, which are arguments or else the lines of standard input. An id
    that is not there ends the command with exit code 1.
    """
    with settings.client() as client:
        for batch in settings.batches(client, ids):
            for document in _got(client, settings.collection, batch):
                output.write(output.as_json(document) if settings.json else shown(document))
    return 0


DELETE = command_line.command(
    "delete",
    """\
shortlist delete --collection notes 'notes/travel.md#1' 'notes/travel.md#2'
shortlist delete --collection notes < ids.txt""",
)


@DELETE.default
def delete(*ids: _Id, settings: Annotated[DeleteSettings, command_line.FLAT]) -> int:
    """Delete documents by their ids.

    They are gone for good. Their ids are arguments or else the lines of standard input; one that is not there
    is no error, and is counted. `shortlist index` deletes by itself what a file that it reads does not hold any
    more.
    """
    given = deleted = 0
    with settings.client() as client:
        for batch in settings.batches(client, ids):
            deleted += client.delete(settings.collection, batch)
            given += len(batch)
    counts = {"collection": settings.collection, "deleted": deleted, "missing": given - deleted}
    missing = f"; {given - deleted:,} of the ids were not there" if given > deleted else ""
    output.write(json.dumps(counts) if settings.json else f"{settings.collection}: {deleted:,} deleted{missing}")
    return 0


def shown(document: Document) -> str:
    """Return a document as a person reads it: its id, and below it what it holds."""
    heads = [document.title] if document.title else []
    heads += [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in document.metadata.items()]
    body = "\n".join([*heads, *([""] if heads else []), document.text])
    # Control characters could move a terminal's cursor.
    safe = _CONTROL.sub("\ufffd", f"{document.id}\n{body}")
    first, *rest = safe.split("\n")
    return "\n".join([first, *(f"{_INDENT}{line}" if line else "" for line in rest), ""])


def _got(client: Client, collection: str, ids: Sequence[str]) -> Iterator[Document]:
    """Yield documents, with smaller calls where one answer cannot hold them."""
    try:
        yield from client.get(collection, ids)
    except errors.TooLarge:
        if len(ids) == 1:
            raise
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            yield from _got(client, collection, half)
