"""`shortlist get`, `update`, `delete` and `count`: documents by their ids, or by a filter."""

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from shortlist.client import errors
from shortlist.client.client import Client
from shortlist.client.filters import Filter
from shortlist.client.types import Document
from shortlist.console import command_line, output
from shortlist.console.connection import Connection
from shortlist.console.errors import UsageError
from shortlist.reading import sources

from . import where

_INDENT = "  "
_EXAMPLE = '{"year": 2020}'
_Id = Annotated[str, command_line.argument("which documents; if there is none, each line of standard input is one")]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Documents(Connection):
    """The settings of the commands that take ids."""

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
class _Matching(_Documents):
    """The settings of those that take a filter instead."""

    where: str | None = None
    """instead of ids: documents whose metadata match, such as 'year >= 2020 and lang in (de, en)'; `shortlist search
    --help` has the form"""

    def filter(self, given: Sequence[str]) -> Filter | None:
        """Return the filter, if there is one.

        Raises:
            UsageError: it is none, or there are ids as well.
        """
        if self.where is not None and given:
            raise UsageError(f"where is {self.where!r}, but there are ids as well; give either")
        return where.parse_if_any(self.where)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSettings(_Matching):
    """The settings of `shortlist get`."""

    json: bool = False
    """print each as a line of JSON, as `shortlist index` reads it"""
    skip_missing: bool = False
    """pass over ids that are not there"""
    vectors: bool = False
    """with --json: print vectors, too"""

    def __post_init__(self) -> None:
        """Refuse vectors where nobody could read them, or none would come.

        Raises:
            UsageError: there are vectors, and no JSON, or a filter.
        """
        Connection.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if self.vectors and not self.json:
            raise UsageError("--vectors are numbers for programs; give --json, too")
        if self.vectors and self.where is not None:
            raise UsageError("--vectors come by ids, not by --where; get the ids first, then their vectors")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings(_Documents):
    """The settings of `shortlist update`."""

    metadata: Annotated[str, Parameter(metavar="JSON")]
    """what they have from now on, a JSON object; {} takes all away"""
    json: bool = False
    """print the result as one JSON object"""

    def parsed(self) -> dict[str, object]:
        """Return the metadata.

        Raises:
            UsageError: it is no JSON object.
        """
        try:
            found = json.loads(self.metadata)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"--metadata is not JSON ({error}); give an object, such as {_EXAMPLE}") from None
        if not isinstance(found, dict):
            raise UsageError(f"--metadata is no JSON object; give one, such as {_EXAMPLE}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSettings(_Matching):
    """The settings of `shortlist delete`."""

    json: bool = False
    """print the result as one JSON object"""


GET = command_line.command(
    "get",
    """\
shortlist get --collection notes 'notes/travel.md#1'
shortlist search --collection notes --json "renew" | jq -r '.hits[].id' | shortlist get --collection notes
shortlist get --collection notes --where 'year < 2000' --json
shortlist get --collection notes --json 'notes/travel.md#1' | jq -r .text""",
)


@GET.default
def get(*ids: _Id, settings: Annotated[GetSettings, command_line.FLAT]) -> int:
    """Print documents by their ids, or those that match a filter.

    They are printed whole, in the order of the ids, which are arguments or else the lines of standard input. An id
    that is not there ends the command with exit code 1, unless --skip-missing is given. With --where they come in the
    order in which they were written.
    """
    matching = settings.filter(ids)
    with settings.client() as client:
        if matching is not None:
            for document in client.list(settings.collection, where=matching):
                output.write(_json(document) if settings.json else shown(document))
            return 0
        for batch in settings.batches(client, ids):
            for document in _got(client, settings, batch):
                output.write(_json(document) if settings.json else shown(document))
    return 0


UPDATE = command_line.command(
    "update",
    """\
shortlist update --collection notes --metadata '{"year": 2020}' 'notes/travel.md#1'
shortlist update --collection notes --metadata '{"checked": true}' < ids.txt""",
)


@UPDATE.default
def update(*ids: _Id, settings: Annotated[UpdateSettings, command_line.FLAT]) -> int:
    """Set the metadata of documents by their ids.

    What they had of it is replaced; nothing else changes, and nothing is embedded again. Their ids are arguments or
    else the lines of standard input. One that is not there ends the command with exit code 1, and nothing of its
    call is changed: a call has as many ids as the server takes, 1,000 by default.
    """
    metadata, count = settings.parsed(), 0
    with settings.client() as client:
        for batch in settings.batches(client, ids):
            client.update_metadata(settings.collection, dict.fromkeys(batch, metadata))
            count += len(batch)
    counts = {"collection": settings.collection, "updated": count}
    output.write(json.dumps(counts) if settings.json else f"{settings.collection}: {count:,} updated")
    return 0


DELETE = command_line.command(
    "delete",
    """\
shortlist delete --collection notes 'notes/travel.md#1' 'notes/travel.md#2'
shortlist delete --collection notes < ids.txt
shortlist delete --collection notes --where 'year < 2000'""",
)


@DELETE.default
def delete(*ids: _Id, settings: Annotated[DeleteSettings, command_line.FLAT]) -> int:
    """Delete documents by their ids, or all that match a filter.

    They are gone for good. Their ids are arguments or else the lines of standard input; one that is not there
    is no error, and is counted. `shortlist index` deletes by itself what a file that it reads does not hold any
    more.
    """
    given = deleted = 0
    matching = settings.filter(ids)
    with settings.client() as client:
        if matching is not None:
            given = deleted = client.delete(settings.collection, where=matching)
        for batch in settings.batches(client, ids) if matching is None else ():
            deleted += client.delete(settings.collection, batch)
            given += len(batch)
    counts = {"collection": settings.collection, "deleted": deleted, "missing": given - deleted}
    missing = f"; {given - deleted:,} of the ids were not there" if given > deleted else ""
    output.write(json.dumps(counts) if settings.json else f"{settings.collection}: {deleted:,} deleted{missing}")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CountSettings(Connection):
    """The settings of `shortlist count`."""

    collection: Annotated[str, Parameter(metavar="NAME")]
    """collection whose documents are counted"""
    where: str | None = None
    """only documents whose metadata match, such as 'year >= 2020 and lang in (de, en)'; `shortlist search --help` has
    the form"""


COUNT = command_line.command(
    "count",
    """\
shortlist count --collection notes
shortlist count --collection notes --where 'author.name = Ada or not draft exists'""",
)


@COUNT.default
def count(*, settings: Annotated[CountSettings, command_line.FLAT]) -> int:
    """Count documents, or those that match a filter.

    The number is printed alone.
    """
    matching = where.parse_if_any(settings.where)
    with settings.client() as client:
        output.write(str(client.count(settings.collection, where=matching)))
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


def _json(document: Document) -> str:
    """Return a document as a line of JSON; one that was got without its vector has no such field."""
    record = dataclasses.asdict(document)
    return json.dumps(record if document.vector else {name: record[name] for name in record if name != "vector"})


def _got(client: Client, settings: GetSettings, ids: Sequence[str]) -> Iterator[Document]:
    """Yield documents, with smaller calls where one answer cannot hold them."""
    wanted = {"skip_missing": settings.skip_missing, "include_vectors": settings.vectors}
    try:
        yield from client.get(settings.collection, ids, **wanted)
    except errors.TooLarge:
        if len(ids) == 1:
            raise
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            yield from _got(client, settings, half)
