"""`shortlist verify`: what it prints of a data folder, and its exit codes."""

import json
from pathlib import Path

import pytest

from shortlist.cli import main
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document, Origin
from tiny_collections import DIMENSIONS, upsert


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with one document."""
    catalog = Catalog(tmp_path, Origin("model (fp32)", "f00d", DIMENSIONS))
    upsert(catalog.create("notes", exist_ok=False)[0], Document("a", "one"))
    catalog.close()
    return tmp_path


def test_a_sound_folder(data: Path, capsys):
    """A sound folder is one line and exit code 0."""
    assert main.main(["verify", str(data)]) == 0
    assert capsys.readouterr().out == "1 collection, 1 document: sound\n"


def test_what_a_start_mends(data: Path, capsys):
    """An index that is gone has an exit code of its own, and the line says that the documents are sound."""
    (data / "collections" / "notes" / "vectors.usearch").unlink()
    assert main.main(["verify", str(data)]) == 4
    assert capsys.readouterr().out.splitlines() == [
        "a start mends it: collections/notes/vectors.usearch: vectors.usearch is not there; a start rebuilds it",
        "1 collection, 1 document: the documents are sound, and a start mends the rest",
    ]


def test_damage(data: Path, capsys):
    """Damaged documents are exit code 3, in JSON too."""
    (data / "collections" / "notes" / "documents.sqlite").write_bytes(b"garbage")
    assert main.main(["verify", "--json", str(data)]) == 3
    found = json.loads(capsys.readouterr().out)
    assert [(one["path"], one["grade"]) for one in found["findings"]] == [
        ("collections/notes/documents.sqlite", "damaged")
    ]


def test_no_data_folder(tmp_path: Path, capsys):
    """A folder that holds no collections is exit code 2 and one line."""
    assert main.main(["verify", str(tmp_path)]) == 2
    assert "is no data folder: it has no folder collections" in capsys.readouterr().err
