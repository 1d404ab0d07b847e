"""`shortlist snapshot` and `shortlist restore`: copies of collections, made on the server's disk and brought back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from shortlist.client.types import Snapshot
from shortlist.console import command_line, output, tables
from shortlist.console.connection import Connection
from shortlist.console.errors import UsageError
from shortlist.console.extras import needs

_PATIENCE_S = 3600.0  # a large collection takes minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings(Connection):
    """The settings of `shortlist snapshot`."""

    name: Annotated[str, Parameter(metavar="NAME", show_default=False)] = ""
    """create: what the snapshot is called; default: the time"""
    timeout_s: Annotated[float, Parameter(metavar="S", group="Connection")] = _PATIENCE_S
    """seconds that the call may take"""
    json: bool = False
    """print the result as one JSON object"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSettings(Connection):
    """The settings of `shortlist restore`."""

    into: Annotated[Path | None, Parameter(metavar="DATA", show_default=False)] = None
    """restore without a server, into this data folder, which no server uses; the snapshot is then a path"""
    timeout_s: Annotated[float, Parameter(metavar="S", group="Connection")] = _PATIENCE_S
    """seconds that the call may take"""
    json: bool = False
    """print the result as one JSON object"""


SNAPSHOT = command_line.command(
    "snapshot",
    """\
shortlist snapshot
shortlist snapshot create notes papers --name before-the-move
shortlist snapshot list
shortlist snapshot drop before-the-move""",
)


@SNAPSHOT.default
def snapshot(
    action: Annotated[Literal["create", "list", "drop"], command_line.argument("what to do")] = "create",
    /,
    *names: Annotated[str, command_line.argument("create: collections, or else all; drop: snapshots")],
    settings: Annotated[SnapshotSettings, command_line.FLAT] = SnapshotSettings(),
) -> int:
    """Copy collections while they are served.

    Each copy is its collection as it was at one moment, and a snapshot is whole or not there. The server writes it
    into the folder `snapshots` of its data folder, or the one that its --snapshots names. What is derived from
    documents is left out; the server makes it again when the snapshot is restored.

    A snapshot is laid out as a data folder is: `shortlist verify` checks one, and `shortlist restore --into` takes
    one that was copied to another machine. drop deletes snapshots for good.
    """
    if action == "list" and names:
        raise UsageError("list shows all snapshots; leave the names out")
    if action == "drop" and not names:
        raise UsageError("drop needs the name of a snapshot: shortlist snapshot drop NAME")
    if action != "create" and settings.name:
        raise UsageError(f"--name is of a snapshot that is created; {action} has none")
    with settings.client() as client:
        if action == "drop":
            for name in names:
                client.drop_snapshot(name)
            output.write(json.dumps({"dropped": names}) if settings.json else f"dropped {', '.join(names)}")
            return 0
        found = (client.create_snapshot(settings.name, names),) if action == "create" else client.list_snapshots()
    output.write(output.as_json(_Snapshots(found)) if settings.json else shown(found))
    return 0


RESTORE = command_line.command(
    "restore",
    """\
shortlist restore before-the-move
shortlist restore before-the-move notes
shortlist restore /mnt/backup/before-the-move --into /var/lib/shortlist""",
)


@RESTORE.default
def restore(
    name: Annotated[str, command_line.argument("snapshot: a name, or with --into a path")],
    /,
    *collections: Annotated[str, command_line.argument("which of its collections; if there is none, all")],
    settings: Annotated[RestoreSettings, command_line.FLAT] = RestoreSettings(),
) -> int:
    """Bring collections back from a snapshot.

    A server restores what is in its folder of snapshots, and serves it at once. With --into it is done without a
    server, and needs one of the extras cpu, gpu and openvino.

    Nothing is overwritten: a collection that is there must be dropped first. A snapshot of another version, or of an
    embedder that the server does not have, and one whose files are not as they were made, is refused, and nothing of
    it is restored.
    """
    if settings.into is None:
        with settings.client() as client:
            made = client.restore_snapshot(name, collections)
        restored = {one.name: one.documents for one in made}
    else:
        restored = _restored(Path(name), collections, settings.into)
    lines = [f"restored {one}: {output.counted(count, 'document')}" for one, count in restored.items()]
    output.write(json.dumps({"restored": restored}) if settings.json else "\n".join(lines) or "nothing to restore")
    return 0


def shown(snapshots: Sequence[Snapshot]) -> str:
    """Return snapshots as a table, a line for each collection in them."""
    rows = [
        (one.name, f"{one.created_at:%Y-%m-%d %H:%M} UTC", copy.name, f"{copy.documents:,}", f"{copy.size_bytes:,}")
        for one in snapshots
        for copy in one.collections
    ]
    heads = ("snapshot", "created", "collection", "documents", "bytes")
    return tables.table(heads, rows) if rows else "no snapshots"


@dataclass(frozen=True, slots=True)
class _Snapshots:
    snapshots: tuple[Snapshot, ...]


def _restored(path: Path, names: Sequence[str], data: Path) -> dict[str, int]:
    """Restore into a data folder without a server, and return how many documents each collection has."""
    with needs("restore --into", "cpu, gpu or openvino"):
        from shortlist.server.errors import RequestError, StorageFailed  # noqa: PLC0415 (the base install lacks it)
        from shortlist.server.storage import snapshot as snapshots  # noqa: PLC0415 (the same)
        from shortlist.server.storage.catalog import Catalog  # noqa: PLC0415 (the same)
        from shortlist.server.storage.data_folder import recorded  # noqa: PLC0415 (the same)

    try:
        found = snapshots.read(path)
        if not (copies := found.chosen(names)):
            return {}
        # Whether the embedders are there is for the server to see that will start on the folder.
        served = {one.fingerprint for one in copies} | {one.origin.fingerprint for one in recorded(data)}
        catalog = Catalog(data, snapshots.origin(copies[0]), served=served)
        try:
            return {one.name: len(one) for one in catalog.restore(found, names)}
        finally:
            catalog.close()
    except (RequestError, StorageFailed) as error:
        raise UsageError(str(error)) from error
