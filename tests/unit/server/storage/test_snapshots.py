"""Snapshots: consistent while they are made, whole or not there, and refused where they are not as they were made."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shortlist.server.errors import (
    CollectionExists,
    InvalidRequest,
    SnapshotExists,
    StorageFailed,
    UnknownSnapshot,
)
from shortlist.server.storage import inspection, snapshot
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document, Origin
from tiny_collections import DIMENSIONS, followed, found, upsert

ORIGIN = Origin("model (fp32)", "f00d", DIMENSIONS)
COUNT = 30


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return a catalog with a collection of 30 documents, and an empty one."""
    made = Catalog(tmp_path / "data", ORIGIN)
    notes, _ = made.create("notes", exist_ok=False)
    made.create("empty", exist_ok=False)
    upsert(notes, *(Document(str(number), f"text {number}", metadata='{"a":1}') for number in range(COUNT)))
    followed()
    yield made
    made.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Catalog]:
    """Return an empty catalog elsewhere, for the same embedder, that reads the first one's snapshots."""
    made = Catalog(tmp_path / "other", ORIGIN, tmp_path / "data" / "snapshots")
    yield made
    made.close()


def test_there_and_back(catalog: Catalog, other: Catalog):
    """What was copied is found elsewhere, field by field, and what was written later is not."""
    notes = catalog.get("notes")
    before = notes.get([str(number) for number in range(COUNT)])
    taken = catalog.snapshots.take("monday", catalog.collections())
    upsert(notes, Document("later", "later"), Document("7", "changed"))
    assert [(one.name, one.documents) for one in taken.manifest.collections] == [("empty", 0), ("notes", COUNT)]
    assert other.snapshots.all() == [taken] == [catalog.snapshots.get("monday")]
    restored = other.restore(other.snapshots.get("monday"), ())
    assert [one.name for one in restored] == ["empty", "notes"]
    assert other.get("notes").get([*before, "later"]) == before
    assert found(other.get("notes"), "text 7", 1) == ["7"]
    assert other.get("notes").created_at == notes.created_at


def test_one_collection_of_a_snapshot(catalog: Catalog, other: Catalog):
    """Collections that are named are restored, and no others; one that is not in it is refused by its place."""
    taken = catalog.snapshots.take("monday", catalog.collections())
    with pytest.raises(
        InvalidRequest, match=r"^collections\[1\]: got 'gone', but snapshot monday has empty, notes; "
    ):
        other.restore(taken, ["notes", "gone"])
    assert other.collections() == []
    assert [one.name for one in other.restore(taken, ["notes"])] == ["notes"]
    assert [one.name for one in other.collections()] == ["notes"]


def test_a_snapshot_during_writes(catalog: Catalog, other: Catalog):
    """A copy that is made while a writer works has whole calls only: each wrote two documents."""
    notes, ended = catalog.get("notes"), threading.Event()

    def write() -> None:
        for number in range(40):
            upsert(notes, Document(f"a{number}", f"first {number}"), Document(f"b{number}", f"second {number}"))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    counts = []
    while not ended.is_set():
        taken = catalog.snapshots.take("", [notes])
        (copy,) = taken.manifest.collections
        counts.append(copy.documents)
    writer.join()
    assert all((count - COUNT) % 2 == 0 for count in counts)
    assert counts == sorted(counts)
    assert other.restore(taken, ())[0].name == "notes"
    assert len(other.get("notes")) == counts[-1]


def test_nothing_is_overwritten(catalog: Catalog):
    """A snapshot's name that is taken, and a collection that is there, are refused, and both stay."""
    taken = catalog.snapshots.take("monday", catalog.collections())
    upsert(catalog.get("notes"), Document("later", "later"))
    with pytest.raises(SnapshotExists, match="'monday' is there already"):
        catalog.snapshots.take("monday", catalog.collections())
    catalog.drop("empty")
    with pytest.raises(CollectionExists, match="'notes' is there already, and nothing was restored"):
        catalog.restore(taken, ())
    assert [one.name for one in catalog.collections()] == ["notes"]
    assert len(catalog.get("notes")) == COUNT + 1
    assert catalog.snapshots.get("monday") == taken


def edited(change: Callable[[dict], object]) -> Callable[[Path], object]:
    """Return what changes a snapshot's manifest."""

    def damage(path: Path) -> None:
        manifest = json.loads((path / "manifest.json").read_text())
        change(manifest)
        (path / "manifest.json").write_text(json.dumps(manifest))

    return damage


def on_file(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Return what changes the bytes of a snapshot's copy."""

    def damage(path: Path) -> None:
        file = path / "collections" / "notes" / "documents.sqlite"
        file.write_bytes(change(file.read_bytes()))

    return damage


def escaping(manifest: dict) -> None:
    """Name a collection by a path that leads out of the folder."""
    manifest["collections"][1]["name"] = "../../escaped"


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (on_file(lambda content: content[: len(content) // 2]), "notes: its file has .* bytes and not "),
        (on_file(lambda content: content[:-1] + b"\1"), "notes: its file has SHA-256 "),
        (on_file(lambda _: b""), "notes: its file has 0 bytes and not "),
        (lambda path: (path / "collections/notes/documents.sqlite").unlink(), "documents.sqlite is not there"),
        (
            edited(lambda manifest: manifest.update(format=2)),
            "it has format 2, this version reads 1; restore it with",
        ),
        (edited(lambda manifest: manifest.pop("collections")), "its manifest.json cannot be read"),
        (edited(escaping), r"has a collection '\.\./\.\./escaped', which none is called"),
        (
            edited(lambda manifest: manifest["collections"][1].update(fingerprint="beef")),
            "notes was made with model .*, fingerprint beef, and the embedder is .*, fingerprint f00d",
        ),
        (lambda path: (path / "manifest.json").write_text("{"), "its manifest.json cannot be read"),
    ],
)
def test_a_snapshot_that_is_not_as_it_was_made(
    catalog: Catalog, other: Catalog, tmp_path: Path, damage: Callable[[Path], object], error: str
):
    """Whatever is torn, cut, missing, of another version or embedder is refused, and nothing is restored."""
    path = catalog.snapshots.take("monday", catalog.collections()).path
    damage(path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidRequest, match=error):
        other.restore(other.snapshots.get("monday"), ())
    assert other.collections() == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_manifest_that_hides_the_embedder(catalog: Catalog, tmp_path: Path):
    """Where the manifest has our embedder and the file another one, the file counts; no later start meets it."""
    taken = catalog.snapshots.take("monday", catalog.collections())
    edited(lambda manifest: [one.update(fingerprint="beef") for one in manifest["collections"]])(taken.path)
    other = Catalog(tmp_path / "other", Origin("other (fp32)", "beef", DIMENSIONS), tmp_path / "data" / "snapshots")
    with pytest.raises(InvalidRequest, match="was made with model"):
        other.restore(other.snapshots.get("monday"), ())
    other.close()
    Catalog(tmp_path / "other", Origin("other (fp32)", "beef", DIMENSIONS)).close()


def test_what_a_crash_left(catalog: Catalog):
    """What a crash left of a snapshot is in no list, and gone with the next one."""
    first = catalog.snapshots.take("monday", catalog.collections())
    left = first.path.parent / ".new-1"
    shutil.copytree(first.path, left)
    assert catalog.snapshots.all() == [first]
    catalog.snapshots.take("tuesday", catalog.collections())
    assert sorted(path.name for path in first.path.parent.iterdir()) == ["monday", "tuesday"]


def test_dropped(catalog: Catalog):
    """A dropped snapshot is gone, and one that is not there is refused."""
    catalog.snapshots.take("monday", catalog.collections())
    catalog.snapshots.drop("monday")
    assert catalog.snapshots.all() == []
    with pytest.raises(UnknownSnapshot):
        catalog.snapshots.drop("monday")


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    """Where the folder of snapshots is a file, the error says so."""
    (tmp_path / "file").touch()
    made = Catalog(tmp_path / "data", ORIGIN, tmp_path / "file")
    with pytest.raises(StorageFailed, match="the folder of snapshots cannot be written"):
        made.snapshots.take("monday", [])
    made.close()


def test_snapshots_are_checked_too(catalog: Catalog):
    """A check of a data folder reads its snapshots, and a snapshot can be checked by itself."""
    path = catalog.snapshots.take("monday", catalog.collections()).path
    data = path.parent.parent
    catalog.close()
    assert inspection.inspect(data).findings == ()
    assert inspection.inspect(path) == inspection.Inspection(2, COUNT, ())
    on_file(lambda content: content[:-1] + b"\1")(path)
    (finding,) = inspection.inspect(data).findings
    assert (finding.path, finding.grade) == ("snapshots/monday/notes", "damaged")
    assert [one.path for one in inspection.inspect(path).findings][:1] == ["notes"]
    assert [fault for fault, _ in snapshot.read(path).faults()] == ["notes"]
