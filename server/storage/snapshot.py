"""A snapshot: what its manifest says, and the copies of collections that it holds.

Names never lead out of its folder: those of a manifest are held to the rule that names of collections are.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from shortlist.server.errors import InvalidRequest, UnknownSnapshot, first_line, shown

from .collection import DOCUMENTS
from .document import Origin

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
MANIFEST = "manifest.json"
COLLECTIONS = "collections"
FORMAT = 1


class Copy(Struct, frozen=True, forbid_unknown_fields=True):
    """A collection's copy in a snapshot."""

    name: str
    documents: int
    embedder: str
    fingerprint: str
    dimensions: int
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a snapshot holds, and which version made it."""

    format: int
    version: str  # of shortlist, for people
    created_at: datetime
    collections: tuple[Copy, ...]


class _Format(Struct):
    format: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is whole, as far as its manifest tells."""

    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self.path.name

    def file(self, copy: Copy) -> Path:
        """Return where a collection's copy is."""
        return self.path / COLLECTIONS / copy.name / DOCUMENTS

    def chosen(self, names: Sequence[str]) -> list[Copy]:
        """Return the copies of some collections, or of all if none is named.

        Raises:
            InvalidRequest: it has none of that name.
        """
        copies = {copy.name: copy for copy in self.manifest.collections}
        for place, name in enumerate(names):
            if name not in copies:
                limit = f"snapshot {self.name} has {', '.join(copies) or 'none'}"
                raise InvalidRequest(f"collections[{place}]", name, limit, "name one of these, or none for all")
        return [copies[name] for name in dict.fromkeys(names or copies)]

    def extract(self, copy: Copy, folder: Path) -> None:
        """Write a collection's copy into an empty folder, and hold it to the manifest.

        Raises:
            InvalidRequest: it is not as the snapshot was made.
            OSError: it cannot be read or written.
        """
        source = self.file(copy)
        fault = _fault(copy, copied(source, folder / DOCUMENTS)) if source.is_file() else f"{source} is not there"
        if fault:
            raise InvalidRequest("snapshot", self.name, f"{copy.name}: {fault}", "restore another snapshot")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the collections whose copies are not as they were made, and what is wrong."""
        for copy in self.manifest.collections:
            try:
                fault = _fault(copy, copied(self.file(copy), Path(os.devnull)))
            except OSError as error:
                fault = str(error)
            if fault:
                yield copy.name, fault


def read(path: Path) -> Snapshot:
    """Return the snapshot at a path.

    Raises:
        UnknownSnapshot: there is none.
        InvalidRequest: another version made it, or it is damaged.
    """
    try:
        content = (path / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UnknownSnapshot(f"snapshot: there is no snapshot {shown(path.name)} in {path.parent}") from None
    except OSError as error:
        raise InvalidRequest("snapshot", path.name, f"it cannot be read: {error}", "see to the disk") from error
    try:
        found = msgspec.json.decode(content, type=_Format).format
        if found != FORMAT:
            remedy = "restore it with the shortlist that made it"
            raise InvalidRequest("snapshot", path.name, f"it has format {found}, this version reads {FORMAT}", remedy)
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        limit = f"its {MANIFEST} cannot be read: {first_line(error)}"
        raise InvalidRequest("snapshot", path.name, limit, "restore another snapshot") from error
    for copy in manifest.collections:
        if not NAME.fullmatch(copy.name):
            limit = f"its {MANIFEST} has a collection {shown(copy.name)}, which none is called"
            raise InvalidRequest("snapshot", path.name, limit, "restore another snapshot")
    return Snapshot(path, manifest)


def origin(copy: Copy) -> Origin:
    """Return the embedder that made a copy's vectors."""
    return Origin(copy.embedder, copy.fingerprint, copy.dimensions)


def copied(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file, and return size and SHA-256 of what was read."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while block := reading.read(1 << 20):
            digest.update(block)
            size += len(block)
            writing.write(block)
    return size, digest.hexdigest()


def _fault(copy: Copy, found: tuple[int, str]) -> str:
    """Return how a file differs from the one that was made; empty where it does not."""
    size, digest = found
    if size != copy.bytes:
        return f"its file has {size:,} bytes and not {copy.bytes:,}"
    return "" if digest == copy.sha256 else f"its file has SHA-256 {digest[:12]}... and not {copy.sha256[:12]}..."
