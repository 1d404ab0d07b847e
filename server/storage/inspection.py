"""A data folder checked without a server: what is wrong in it, and what of that a start mends.

The documents are the truth, so what is wrong with them is damage; whatever is derived from them, or was left by a
crash, a start puts right. What is not ours is named and left alone. Nothing is written.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from shortlist.server.errors import RequestError, StorageError

from . import data_folder, folder_lock, generation, generations, proofs, schema, snapshot, token_vectors, unit_vectors
from .analysis import Language
from .choices import Choices
from .collection import DOCUMENTS
from .indexes import WORDS
from .made import Made
from .snapshot import MANIFEST
from .unit_vectors import Directions
from .vectors import Vectors
from .words import Words

Grade = Literal["foreign", "mended", "damaged"]
"""Not ours and left alone; put right by the next start; to be put right by a person."""

_IN_DATA = (
    folder_lock.NAME,
    data_folder.COLLECTIONS,
    data_folder.SNAPSHOTS,
    data_folder.JUDGEMENTS,
    MANIFEST,
    "timings.json",
    "engines",
)
_BESIDE = re.compile(
    rf"{re.escape(DOCUMENTS)}(-wal|-shm)?|vectors(-[0-9]+)?\.(usearch|sha256|new|new-digest)|{WORDS}"
)
_MOST_FAULTS = 5  # that SQLite tells of one file
_BATCH = 1000
_KEYS = "SELECT DISTINCT key FROM vectors"
_NUMBERS = "SELECT seq FROM documents"
_ROWS = """
SELECT seq, id, key, vector, metadata FROM documents LEFT JOIN vectors USING (seq) WHERE seq > ? ORDER BY seq LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a data folder that is not as it should be."""

    path: str  # below the data folder
    grade: Grade
    what: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a check of a data folder found."""

    collections: int
    documents: int  # that could be read
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Grade | None:
        """Return the worst grade of the findings that count; what is foreign does not."""
        grades = {finding.grade for finding in self.findings}
        return next((grade for grade in ("damaged", "mended") if grade in grades), None)


def inspect(data: Path) -> Inspection:
    """Check a data folder that no server uses, or a snapshot, which is laid out as one.

    Raises:
        StorageError: it is no data folder, or a server uses it.
    """
    root = data / data_folder.COLLECTIONS
    if not root.is_dir():
        raise StorageError(f"{data} is no data folder: it has no folder {data_folder.COLLECTIONS}; name one that has")
    with folder_lock.take_to_read(data) or contextlib.nullcontext():
        found = [Finding(path.name, "foreign", "not ours") for path in sorted(data.iterdir()) if _foreign(path)]
        for path in (data, *sorted((data / data_folder.SNAPSHOTS).glob("*"))):
            if path != data or (data / MANIFEST).exists():
                found += _torn(path, "" if path == data else f"{data_folder.SNAPSHOTS}/{path.name}")
        folders: list[_Folder] = []
        for path in sorted(root.iterdir()):
            name = f"{root.name}/{path.name}"
            if path.name.startswith(data_folder.UNFINISHED):
                found.append(Finding(name, "mended", "left by a crash; a start removes it"))
            elif path.name.startswith(".") or not path.is_dir():
                found.append(Finding(name, "foreign", "not ours"))
            else:
                folders.append(_Folder(path, name, has_index=not (data / MANIFEST).exists()))
                found += folders[-1].findings()
    return Inspection(len(folders), sum(folder.documents for folder in folders), tuple(found))


def _foreign(path: Path) -> bool:
    return path.name not in _IN_DATA


def _torn(path: Path, name: str) -> Iterator[Finding]:
    """Yield what is wrong with a snapshot; `name` is its path below the data folder."""
    if name and (path.name.startswith(".") or not path.is_dir()):
        yield Finding(name, "foreign", "no snapshot; what a crash left there, the next snapshot removes")
        return
    try:
        for copy, fault in snapshot.read(path).faults():
            yield Finding(f"{name}/{copy}".lstrip("/"), "damaged", f"a copy in a snapshot: {fault}; take another")
    except RequestError as error:
        yield Finding(name or MANIFEST, "damaged", f"{error}; or drop it and take another")


class _Folder:
    """One collection's folder."""

    def __init__(self, path: Path, name: str, *, has_index: bool) -> None:
        """Begin with nothing known of it.

        Args:
            path: where it is.
            name: the same, below the data folder.
            has_index: whether it should have one; in a snapshot there is none.
        """
        self._has_index = has_index
        self._path = path
        self._name = name
        self.documents = 0
        self._dimensions = 0

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong with it."""
        for path in sorted(self._path.iterdir()):
            if not _BESIDE.fullmatch(path.name):
                yield Finding(f"{self._name}/{path.name}", "foreign", "not ours")
        documents = f"{self._name}/{DOCUMENTS}"
        if not (self._path / DOCUMENTS).is_file():
            what = "it is not there, so no server starts on this folder; put it back, or move the folder away"
            yield Finding(documents, "damaged", what)
            return
        try:
            with contextlib.closing(_opened(self._path / DOCUMENTS)) as connection:
                yield from self._checked(connection, documents)
        except (sqlite3.Error, StorageError, KeyError, ValueError) as error:
            yield Finding(documents, "damaged", f"it cannot be read: {error}; restore a snapshot or a backup of it")

    def _checked(self, connection: sqlite3.Connection, documents: str) -> Iterator[Finding]:
        rows = connection.execute(f"PRAGMA integrity_check({_MOST_FAULTS})").fetchall()
        faults = [" ".join(str(row[0]).split()) for row in rows if row[0] != "ok"]
        if faults:
            yield Finding(documents, "damaged", f"{'; '.join(faults)}; restore a snapshot or a backup of it")
            return
        facts = schema.facts(connection, self._path / DOCUMENTS)
        self._dimensions = int(facts["dimensions"])
        if int(facts["format"]) < schema.FORMAT:
            what = (
                f"it has format {facts['format']}, which a start brings to {schema.FORMAT}; start, then check again"
            )
            yield Finding(documents, "mended", what)
            return
        if coming := generations.coming(facts):
            what = f"the reindex with {coming.origin.embedder} is not finished; a start goes on with it"
            yield Finding(documents, "mended", what)
        yield from self._indexed(connection, documents, facts)
        yield from self._tokens(connection, documents, facts)
        if self._has_index:
            yield from self._worded(connection, Choices.read(facts).language)

    def _indexed(self, connection: sqlite3.Connection, documents: str, facts: Mapping[str, str]) -> Iterator[Finding]:
        """Yield what is wrong with documents one by one, and with the index beside them."""
        path = generation.index_of(self._path, int(facts["generation"]))
        name = f"{self._name}/{path.name}"
        quantization = Choices.read(facts).quantization

        def read(statement: str, *values: str | float) -> list[Any]:
            return connection.execute(statement, values).fetchall()

        made = Made(read, "vectors", self._dimensions, lambda: self.documents)
        index = Vectors(path, self._dimensions, quantization, made)
        index.prove()
        for ids, directions, broken in self._batches(connection):
            for identifier, what in broken:
                yield Finding(documents, "damaged", f"document {identifier!r}: {what}; send it again")
            if not index.fault:
                for place in proofs.unlike(index, directions):
                    what = f"document {ids[place]!r}: a search for its vector does not find it; remove the file"
                    yield Finding(name, "damaged", f"{what}, and a start rebuilds it")
        keys = np.array([key for (key,) in connection.execute(_KEYS)], np.uint64)
        if index.fault and len(keys) and self._has_index:
            yield Finding(name, "mended", f"{index.fault}; a start rebuilds it")
        elif not index.fault:
            missing, extra = len(index.missing(keys)), len(np.setdiff1d(index.keys(), keys))
            if missing or extra:
                what = f"{missing} vectors of {len(keys)} are missing and {extra} too many; a start puts that right"
                yield Finding(name, "mended", what)

    def _tokens(self, connection: sqlite3.Connection, documents: str, facts: Mapping[str, str]) -> Iterator[Finding]:
        """Yield what is wrong with documents' token vectors, and what of them is not made or not dropped yet."""

        def read(statement: str, *values: str | float) -> list[Any]:
            return connection.execute(statement, values).fetchall()

        wanted = token_vectors.counted(read, token_vectors.named(facts), self.documents)
        for what in proofs.token_faults(connection, wanted):
            yield Finding(documents, "damaged", what)
        if token_vectors.untidy(read, wanted.generation):
            yield Finding(documents, "mended", "token vectors that are not wanted any more; a start drops them")
        if wanted.wanted and not wanted.ready:
            what = f"{wanted.of - wanted.documents} documents of {wanted.of} have no token vectors"
            yield Finding(documents, "mended", f"{what}; a start with {wanted.model} makes them")

    def _worded(self, connection: sqlite3.Connection, language: Language) -> Iterator[Finding]:
        """Yield what is wrong with the lexical index."""
        words, name = Words(self._path / WORDS, language), f"{self._name}/{WORDS}"
        there = set(words.numbers())
        wanted = {number for (number,) in connection.execute(_NUMBERS)}
        if words.fault:
            yield Finding(name, "mended", f"{words.fault}; a start rebuilds it")
        elif there != wanted:
            missing, extra = len(wanted - there), len(there - wanted)
            what = f"{missing} documents of {len(wanted)} are missing and {extra} too many; a start puts that right"
            yield Finding(name, "mended", what)

    def _batches(
        self, connection: sqlite3.Connection
    ) -> Iterator[tuple[list[str], Directions, list[tuple[str, str]]]]:
        """Yield documents' ids and directions, and beside them what is wrong with documents."""
        after = 0
        while rows := connection.execute(_ROWS, (after, _BATCH)).fetchall():
            after = rows[-1][0]
            self.documents += len(rows)
            faults = [proofs.fault(vector, metadata, self._dimensions) for *_, vector, metadata in rows]
            sound = [row for row, fault in zip(rows, faults, strict=True) if not fault]
            vectors = np.array([np.frombuffer(row[3], np.float32) for row in sound], np.float32)
            directions = unit_vectors.of(vectors.reshape(len(sound), self._dimensions))
            keys = np.array([row[2] for row in sound], np.uint64)
            broken = [(row[1], fault) for row, fault in zip(rows, faults, strict=True) if fault]
            yield [row[1] for row in sound], directions._replace(keys=keys), broken


def _opened(path: Path) -> sqlite3.Connection:
    """Open a file to read it only; without a log to be read in, SQLite makes no file beside it either."""
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
