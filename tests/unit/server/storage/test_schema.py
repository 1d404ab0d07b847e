"""The file of documents, format by format: what is no such file, and one of before."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import StorageError
from shortlist.server.storage import database, schema, unit_vectors
from shortlist.server.storage.choices import Choices
from shortlist.server.storage.document import Origin
from shortlist.server.storage.documents import Documents
from shortlist.server.storage.token_vectors import TokenVectors

ORIGIN = Origin("model (fp32)", "f00d", 2)


def test_a_file_that_is_no_database(tmp_path: Path):
    """Garbage is refused by its path."""
    path = tmp_path / "documents.sqlite"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(StorageError, match=r"documents\.sqlite cannot be read"):
        Documents(path)


def test_a_newer_format(tmp_path: Path):
    """A file of another format is refused with both numbers."""
    path = tmp_path / "documents.sqlite"
    database.create(path, ORIGIN, created_at=0.0)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE facts SET value = ? WHERE name = 'format'", [schema.FORMAT + 1])
    connection.close()
    with pytest.raises(StorageError, match=f"format {schema.FORMAT + 1}, this version reads 1 to {schema.FORMAT}"):
        Documents(path)


def test_a_file_of_the_first_format(tmp_path: Path):
    """A file from before there were keys gets those of its vectors, once, and loses nothing."""
    path = tmp_path / "documents.sqlite"
    vectors = np.array([[1, 2], [2, 4], [1, 3]], np.float32)
    connection = sqlite3.connect(path)
    with connection:
        schema._create(connection)
        facts = {"format": 1, "embedder": "model", "fingerprint": "f00d", "dimensions": 2, "created_at": 1.0}
        connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())
        rows = [(name, vector.tobytes()) for name, vector in zip("abc", vectors, strict=True)]
        connection.executemany("INSERT INTO documents VALUES (NULL, ?, '', 'text', '', 1, ?)", rows)
    connection.close()
    first, same, other = unit_vectors.of(vectors).keys
    assert first == same
    for _ in range(2):
        opened = Documents(path)
        assert sorted(opened.get(["a", "b", "c"])) == ["a", "b", "c"]
        assert opened.keys().tolist() == sorted([first, other])
        assert opened.choices == Choices(0.99, "english", "none")
        assert opened.token_vectors == TokenVectors(of=3)
        opened.close()
