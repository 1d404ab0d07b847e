"""A data folder checked without a server: what is wrong is told, and a start mends what it should."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from usearch.index import Index

from shortlist.server.errors import StorageError
from shortlist.server.storage import inspection
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.data_folder import JUDGEMENTS
from shortlist.server.storage.document import Document, Origin
from tiny_collections import DIMENSIONS, followed, found, upsert, vector

ORIGIN = Origin("model (fp32)", "f00d", DIMENSIONS)
COUNT = 30


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with a collection of 30 documents and an empty one, as a clean stop leaves it."""
    folder = tmp_path / "data"
    catalog = Catalog(folder, ORIGIN)
    made, _ = catalog.create("c", exist_ok=False)
    catalog.create("empty", exist_ok=False)
    upsert(made, *(Document(str(number), f"text {number}", metadata='{"a":1}') for number in range(COUNT)))
    catalog.close()
    return folder


def sql(data: Path, statement: str, *values: object) -> None:
    """Change a collection's file behind its owner's back."""
    connection = sqlite3.connect(data / "collections" / "c" / "documents.sqlite")
    with connection:
        connection.execute(statement, values)
    connection.close()


def told(data: Path) -> list[tuple[str, str]]:
    """Return path and grade of each finding."""
    return [(one.path, one.grade) for one in inspection.inspect(data).findings]


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sound_folder(data: Path):
    """A folder as a stop leaves it has no findings, and is as it was after the check."""
    before = contents(data)
    assert inspection.inspect(data) == inspection.Inspection(2, COUNT, ())
    assert contents(data) == before


def test_documents_that_are_in_the_log_still(data: Path, tmp_path: Path):
    """After kill -9, what SQLite has in its log is read too, and only the index of vectors is behind."""
    catalog = Catalog(data, ORIGIN)
    upsert(catalog.get("c"), Document("new", "new"))
    followed()
    shutil.copytree(data, tmp_path / "killed")
    catalog.close()
    result = inspection.inspect(tmp_path / "killed")
    assert result.documents == COUNT + 1
    assert [(one.path, one.grade) for one in result.findings] == [("collections/c/vectors.usearch", "mended")]
    assert "1 vectors of 31 are missing and 0 too many" in result.findings[0].what
    assert result.worst == "mended"


def torn(path: Path) -> None:
    """Overwrite the middle third: the middle alone may be room that no row takes."""
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = b"\xff" * third
    path.write_bytes(content)


def truncated(path: Path) -> None:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [torn, truncated, Path.unlink])
@pytest.mark.parametrize("name", ["vectors.usearch", "vectors.sha256"])
def test_a_damaged_index(data: Path, name: str, damage: Callable[[Path], None]):
    """An index or digest that is torn, cut or missing is mended by a start, and the folder is sound after one."""
    damage(data / "collections" / "c" / name)
    assert told(data) == [("collections/c/vectors.usearch", "mended")]
    catalog = Catalog(data, ORIGIN)
    assert found(catalog.get("c"), "text 7", 1) == ["7"]
    catalog.close()
    assert told(data) == []


def test_another_collections_index(data: Path):
    """An index that came whole from another collection is told by its keys, and mended by a start."""
    catalog = Catalog(data, ORIGIN)
    upsert(catalog.get("empty"), *(Document(str(number), f"other {number}") for number in range(COUNT)))
    catalog.close()
    for name in ("vectors.usearch", "vectors.sha256"):
        shutil.copy(data / "collections" / "empty" / name, data / "collections" / "c" / name)
    (finding,) = inspection.inspect(data).findings
    assert (finding.grade, finding.path) == ("mended", "collections/c/vectors.usearch")
    assert "30 vectors of 30 are missing and 30 too many" in finding.what
    catalog = Catalog(data, ORIGIN)
    assert sorted(found(catalog.get("c"), "text 7")) == sorted(map(str, range(COUNT)))
    catalog.close()
    assert told(data) == []


def test_a_vector_under_anothers_key(data: Path):
    """A vector that the index holds wrongly, digest and keys in order, is damage, since a start compares keys."""
    path = data / "collections" / "c" / "vectors.usearch"
    index = Index.restore(str(path))
    key = index.keys[0]
    index.remove(key)
    index.add(key, vector("something else").astype(np.float16))
    index.save(str(path))
    path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    (finding,) = inspection.inspect(data).findings
    assert (finding.grade, finding.path) == ("damaged", "collections/c/vectors.usearch")
    assert "a search for its vector does not find it" in finding.what


@pytest.mark.parametrize("damage", [torn, truncated, Path.unlink, lambda path: path.write_bytes(b"garbage" * 999)])
def test_damaged_documents(data: Path, damage: Callable[[Path], None]):
    """Documents that are torn, cut, missing or no database are damage; the rest is checked all the same."""
    damage(data / "collections" / "c" / "documents.sqlite")
    assert told(data) == [("collections/c/documents.sqlite", "damaged")]
    assert inspection.inspect(data).collections == 2


@pytest.mark.parametrize(
    ("table", "column", "value", "what"),
    [
        ("vectors_1", "vector", b"\0\0\0\0", "its vector has 4 bytes and not 32"),
        ("vectors_1", "vector", np.full(DIMENSIONS, np.nan, np.float32).tobytes(), "its vector is not finite"),
        ("documents", "metadata", "{", "its metadata is no JSON object"),
        ("documents", "metadata", "[]", "its metadata is no JSON object"),
    ],
)
def test_damage_inside_a_document(data: Path, table: str, column: str, value: object, what: str):
    """A document that cannot be read as one is named."""
    which = "(SELECT seq FROM documents WHERE id = '7')"
    sql(data, f"UPDATE {table} SET {column} = ? WHERE seq = {which}", value)  # noqa: S608 (ours alone)
    assert [one.what for one in inspection.inspect(data).findings] == [f"document '7': {what}; send it again"]


def test_a_newer_format(data: Path):
    """A file that a newer version made is damage to this one, and says which formats it reads."""
    sql(data, "UPDATE facts SET value = '99' WHERE name = 'format'")
    (finding,) = inspection.inspect(data).findings
    assert finding.grade == "damaged"
    assert "has format 99, this version reads 1 to" in finding.what


def test_collections_of_two_embedders(data: Path):
    """Collections of two embedders are sound: a server may have both."""
    sql(data, "UPDATE facts SET value = 'other' WHERE name = 'fingerprint'")
    assert inspection.inspect(data).findings == ()


def test_a_document_without_a_vector(data: Path):
    """A document that no search can find is named."""
    sql(data, "DELETE FROM vectors_1 WHERE seq = (SELECT seq FROM documents WHERE id = '7')")
    assert "document '7': it has no vector; send it again" in [one.what for one in inspection.inspect(data).findings]


def test_a_reindex_that_is_not_finished(data: Path):
    """A collection that another embedder was making anew is sound, and a start goes on with it."""
    catalog = Catalog(data, ORIGIN)
    catalog.get("c").remaking.begin(Origin("other (int8)", "beef", 3), "/bundles/other")
    catalog.close()
    (finding,) = inspection.inspect(data).findings
    assert (finding.path, finding.grade) == ("collections/c/documents.sqlite", "mended")
    assert finding.what == "the reindex with other (int8) is not finished; a start goes on with it"


def test_what_is_not_ours(data: Path):
    """What is not ours is named, is no fault, and stays; what a crash left is gone after a start."""
    for name in ("notes.txt", "collections/.hidden", "collections/file", "collections/c/copy.sqlite"):
        (data / name).touch()
    (data / "collections" / ".dropped-1").mkdir()
    (data / JUDGEMENTS).mkdir()  # which is
    assert told(data) == [
        ("notes.txt", "foreign"),
        ("collections/.dropped-1", "mended"),
        ("collections/.hidden", "foreign"),
        ("collections/c/copy.sqlite", "foreign"),
        ("collections/file", "foreign"),
    ]
    Catalog(data, ORIGIN).close()
    assert {grade for _, grade in told(data)} == {"foreign"}
    assert inspection.inspect(data).worst is None


def test_a_folder_in_use(data: Path):
    """A folder that a server uses is refused: its files change while they are read."""
    catalog = Catalog(data, ORIGIN)
    with pytest.raises(StorageError, match="is in use by a server"):
        inspection.inspect(data)
    catalog.close()


def test_a_folder_that_is_none(tmp_path: Path):
    """A folder without collections is refused by its path."""
    with pytest.raises(StorageError, match="is no data folder"):
        inspection.inspect(tmp_path)
