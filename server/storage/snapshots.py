"""Snapshots: consistent copies of collections, made while they are served.

    snapshots/
    ├── NAME/
    │   ├── manifest.json           versions; of each collection how many documents, and the SHA-256 of its file
    │   └── collections/COLLECTION/documents.sqlite
    └── .new-*, .dropped-*          being made or dropped: removed by the next change

A snapshot comes and goes by a rename, so there is no half of one. It is laid out as a data folder is, without what is
derived from documents. Each collection is as it was at one moment; two of them need not be of the same one.
"""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from shortlist.server import durable
from shortlist.server.errors import InvalidRequest, SnapshotExists, StorageFailed, UnknownSnapshot, shown

from . import snapshot
from .collection import DOCUMENTS, Collection
from .snapshot import COLLECTIONS, MANIFEST, Copy, Manifest, Snapshot

_NEW, _DROPPED = ".new-", ".dropped-"


class Snapshots:
    """The snapshots in one folder, which several servers may share."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is made with the first snapshot."""
        self._folder = folder

    def take(self, name: str, collections: Sequence[Collection]) -> Snapshot:
        """Copy collections while they are served, and return the snapshot: whole, or not there.

        Args:
            name: one that can be a folder's; empty: the time.
            collections: each once.

        Raises:
            SnapshotExists: there is one of that name.
            UnknownCollection: a collection was dropped meanwhile.
            StorageFailed: the disk is full, or fails, or a collection is damaged.
        """
        now = datetime.now(UTC)
        path = self._folder / (name or f"{now:%Y%m%d-%H%M%S-%f}")
        with self._changing():
            self._check_free(path)
            new = self._folder / f"{_NEW}{uuid.uuid4().hex}"
            try:
                copies = tuple(_copy(one, new / COLLECTIONS / one.name) for one in collections)
                manifest = Manifest(snapshot.FORMAT, version("shortlist"), now, copies)
                (new / COLLECTIONS).mkdir(parents=True, exist_ok=True)  # also of no collection
                (new / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
                durable.put_tree(new, path)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return Snapshot(path, manifest)

    def get(self, name: str) -> Snapshot:
        """Return a snapshot; see `read`."""
        return snapshot.read(self._folder / name)

    def all(self) -> list[Snapshot]:
        """Return the snapshots that this version reads, by name."""
        found = []
        for path in sorted(self._folder.glob("[!.]*/")):
            try:
                found.append(snapshot.read(path))
            except (UnknownSnapshot, InvalidRequest):
                continue
        return found

    def drop(self, name: str) -> None:
        """Delete a snapshot.

        Raises:
            UnknownSnapshot: there is none of that name.
            StorageFailed: the folder cannot be written.
        """
        with self._changing():
            path = self._folder / name
            if not (path / MANIFEST).is_file():
                raise UnknownSnapshot(f"snapshot: there is no snapshot {shown(name)}; nothing was dropped")
            dropped = self._folder / f"{_DROPPED}{uuid.uuid4().hex}"
            durable.put(path, dropped)
            shutil.rmtree(dropped, ignore_errors=True)

    def _check_free(self, path: Path) -> None:
        if path.exists():
            raise SnapshotExists(f"name: snapshot {path.name!r} is there already; drop it, or choose another name")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Have the folder alone, and cleared of what a crash left; what the disk refuses is a StorageFailed."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                for path in (*self._folder.glob(f"{_NEW}*"), *self._folder.glob(f"{_DROPPED}*")):
                    shutil.rmtree(path, ignore_errors=True)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageFailed(f"the folder of snapshots cannot be written: {error}; nothing was changed") from error


def _copy(collection: Collection, folder: Path) -> Copy:
    """Copy a collection into a folder that is made for it."""
    folder.mkdir(parents=True)
    documents = collection.copy(folder / DOCUMENTS)
    size, digest = snapshot.copied(folder / DOCUMENTS, Path(os.devnull))
    made = collection.origin
    return Copy(collection.name, documents, made.embedder, made.fingerprint, made.dimensions, size, digest)
