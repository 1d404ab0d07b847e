"""A collection after a crash, damage or a backup that was put back: a start finds every document."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import StorageError
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from tiny_collections import crashed, create, found, upsert


def test_an_index_that_was_never_saved_is_rebuilt(collection: Collection, tmp_path: Path):
    """Without any index file, a start finds every document."""
    upsert(collection, Document("a", "one"), Document("b", "two"))
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert not (tmp_path / "c" / "vectors.usearch").exists()
    assert found(again, "two") == ["b", "a"]
    again.close()


def test_a_stale_index_is_brought_up(collection: Collection, tmp_path: Path):
    """An index file from before inserts, updates and deletes is put right at start."""
    upsert(collection, Document("a", "one"), Document("b", "two"), Document("c", "three"))
    collection._indexes.used.upkeep.save()
    upsert(collection, Document("b", "new"), Document("d", "four"))
    collection.delete(["c"])
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert sorted(found(again, "new")) == ["a", "b", "d"]
    assert found(again, "new", 1) == ["b"]
    assert len(again._indexes.used.vectors) == 3
    again.close()


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_index_is_rebuilt(collection: Collection, tmp_path: Path, damage: bytes | None):
    """An index file that is empty, garbage or cut short costs time, not documents."""
    upsert(collection, *(Document(str(number), f"text {number}") for number in range(50)))
    collection._indexes.used.upkeep.save()
    path = tmp_path / "c" / "vectors.usearch"
    path.write_bytes(path.read_bytes()[:1000] if damage is None else damage)
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert found(again, "text 7", 1) == ["7"]
    assert len(found(again, "text 7")) == 50
    again.close()


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes_are_noticed(collection: Collection, tmp_path: Path, seed: int):
    """An index file with some bytes changed is rebuilt: usearch itself would follow them out of its memory."""
    upsert(collection, *(Document(str(number), f"text {number}") for number in range(50)))
    collection._indexes.used.upkeep.save()
    path = tmp_path / "c" / "vectors.usearch"
    data = bytearray(path.read_bytes())
    for place in np.random.default_rng(seed).integers(0, len(data), size=20):
        data[place] ^= 0xFF
    path.write_bytes(data)
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert found(again, "text 7", 1) == ["7"]
    again.close()


def test_a_backup_that_is_put_back(tmp_path: Path):
    """After an older documents.sqlite is put back beside a newer index, no number means two documents."""
    folder, backup = tmp_path / "c", tmp_path / "backup.sqlite"
    collection = create(folder)
    upsert(collection, *(Document(f"a{number}", f"first {number}") for number in range(20)))
    collection.close()
    shutil.copy(folder / "documents.sqlite", backup)
    collection = Collection(folder)
    upsert(collection, *(Document(f"b{number}", f"second {number}") for number in range(20)))
    collection.close()
    shutil.copy(backup, folder / "documents.sqlite")
    collection = Collection(folder)
    upsert(collection, *(Document(f"c{number}", f"third {number}") for number in range(20)))
    again = crashed(folder, tmp_path / "copy")
    for letter, text in (("a", "first"), ("c", "third")):
        assert [found(again, f"{text} {number}", 1) for number in range(20)] == [[f"{letter}{n}"] for n in range(20)]
    assert len(again) == 40
    again.close()
    collection.close()


def test_an_index_that_cannot_be_saved(collection: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Where the index cannot be saved, documents are served all the same, and the log says so."""
    upsert(collection, Document("a", "one"))
    (tmp_path / "c" / "vectors.new").mkdir()
    collection._indexes.used.upkeep.save()
    assert "collection c: its index could not be saved" in caplog.text
    assert found(collection, "one") == ["a"]
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert found(again, "one") == ["a"]
    again.close()


def test_damage_inside_the_documents(collection: Collection, tmp_path: Path):
    """A vector of the wrong length stops the start with the collection's name, not with a traceback."""
    upsert(collection, Document("a", "one"))
    connection = sqlite3.connect(tmp_path / "c" / "documents.sqlite")
    with connection:
        connection.execute("UPDATE vectors_1 SET vector = x'00000000'")
    connection.close()
    with pytest.raises(StorageError, match="copy is damaged"):
        crashed(tmp_path / "c", tmp_path / "copy")
