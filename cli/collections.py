"""`shortlist collections`: list, create and drop them."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from shortlist.client.client import Client
from shortlist.client.token_vectors import TokenPooling, TokenVectors
from shortlist.client.types import Collection, Quantization, Recall
from shortlist.console import columns, command_line, output, tables
from shortlist.console.connection import Connection
from shortlist.console.errors import UsageError

_DONE, _DECLINED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionsSettings(Connection):
    """The settings of `shortlist collections`."""

    exist_ok: bool = False
    """create: a collection that is there already is no error"""
    recall_target: float | None = None
    """create: the share of the 50 nearest documents that stage one is held to find, 0.5 to 1; 0.99 if not given"""
    language: str | None = None
    """create: the texts' language, whose endings and stop words a search by words (--candidates-from) leaves out:
    arabic, danish, dutch, english, finnish, french, german, greek, hungarian, italian, norwegian, portuguese,
    romanian, russian, spanish, swedish, tamil, turkish, or none; english if not given"""
    quantization: Quantization | None = None
    """create: how the index holds vectors: int8 takes 0.6 of the memory, and what it finds is compared again by the
    documents' own vectors; none, which is float16, if not given"""
    token_pooling: TokenPooling | None = None
    """create: which vectors of its tokens each document has, for late interaction: none has one for each token,
    by-two one for two that are alike, in half of the disk, no-vectors has none; the server's setting if not given"""
    yes: bool = False
    """drop: do not ask"""
    json: bool = False
    """print the result as one JSON object"""


COMMAND = command_line.command(
    "collections",
    """\
shortlist collections
shortlist collections create notes
shortlist collections create notizen --language german
shortlist collections drop notes-2024 notes-2025
shortlist collections --json | jq -r '.collections[].name'""",
)


@COMMAND.default
def run(
    action: Annotated[Literal["list", "create", "drop"], command_line.argument("what to do")] = "list",
    /,
    *names: Annotated[str, command_line.argument("collections to create or drop")],
    settings: Annotated[CollectionsSettings, command_line.FLAT] = CollectionsSettings(),
) -> int:
    """List, create or drop collections.

    List the server's collections, with how many documents each holds, its language, what searches find of the nearest
    50, its token vectors and the embedder that its vectors are of; create some; or drop some with all their
    documents, for good. `drop` asks first; outside a terminal it needs --yes.

    `shortlist index` creates the collection that it fills. A name has 1 to 64 lower-case letters, digits, '-' and
    '_', and begins with a letter or digit.
    """
    if action == "list" and names:
        raise UsageError("list shows all collections; leave the names out")
    if action != "list" and not names:
        raise UsageError(f"{action} needs the name of a collection: shortlist collections {action} NAME")
    with settings.client() as client:
        if action == "drop":
            return _drop(client, names, settings)
        if action == "create":
            found = tuple(
                client.create_collection(
                    name,
                    exist_ok=settings.exist_ok,
                    recall_target=settings.recall_target,
                    language=settings.language,
                    quantization=settings.quantization,
                    token_pooling=settings.token_pooling,
                )
                for name in names
            )
        else:
            found = client.list_collections()
    output.write(output.as_json(_Collections(found)) if settings.json else shown(found))
    return _DONE


def shown(collections: Sequence[Collection]) -> str:
    """Return collections as a table."""
    rows = [
        (
            one.name,
            f"{one.documents:,}",
            one.language,
            recall(one.recall),
            token_vectors(one.token_vectors),
            f"{one.created_at:%Y-%m-%d %H:%M} UTC",
            one.embedder,
        )
        for one in collections
    ]
    heads = ("collection", "documents", "language", "recall@50", "token vectors", "created", "embedder")
    if not rows:
        return "no collections"
    faults = [
        columns.plain(f"{one.name}: searches do without its token vectors: {one.token_vectors.fault}")
        for one in collections
        if one.token_vectors.fault
    ]
    return "\n".join([tables.table(heads, rows), *columns.filled(faults)])


def recall(found: Recall) -> str:
    """Return what is known of a collection's recall, in a few words."""
    if found.state == "exact":
        return "1 (all compared)"
    if found.measured is None:
        return f"target {found.target:g}, not measured yet"
    told = {"met": "met", "missed": "missed", "unmeasured": "not known yet", "exact": ""}[found.state]
    return f"{found.measured:.4f} of {found.samples}, beam {found.beam}: target {found.target:g} {told}"


def token_vectors(found: TokenVectors) -> str:
    """Return what is known of a collection's token vectors, in a few words."""
    if found.state == "ready":
        pooled = f", {found.pooling}" if found.pooling != "none" else ""
        return f"{found.vectors:,}, {found.size_bytes:,} bytes{pooled}"
    return f"making, {found.documents:,} documents have them" if found.state == "making" else found.state


@dataclass(frozen=True, slots=True)
class _Collections:
    collections: tuple[Collection, ...]


def _drop(client: Client, names: Sequence[str], settings: CollectionsSettings) -> int:
    """Drop collections, once it is known that all of them are there and are meant."""
    there = {one.name: one.documents for one in client.list_collections()}
    if missing := [name for name in names if name not in there]:
        known = f"there are {', '.join(there)}" if there else "there is none"
        raise UsageError(f"no collection {', '.join(map(repr, missing))}; {known}; nothing was dropped")
    wanted = dict.fromkeys(names)
    if not settings.yes:
        if not sys.stdin or not sys.stdin.isatty():
            raise UsageError("drop deletes collections for good and asks first, at a terminal; elsewhere give --yes")
        what = ", ".join(f"{name} with {there[name]:,} documents" for name in wanted)
        print(f"Drop {what}, for good? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            print("nothing was dropped", file=sys.stderr)
            return _DECLINED
    dropped = {name: client.drop_collection(name) for name in wanted}
    lines = [f"dropped {name}: {count:,} documents" for name, count in dropped.items()]
    output.write(json.dumps({"dropped": dropped}) if settings.json else "\n".join(lines))
    return _DONE
