"""`shortlist restore --into`: a snapshot brought back without a server."""

from pathlib import Path

import pytest

from shortlist.cli import main
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document, Origin
from tiny_collections import DIMENSIONS, found, upsert

ORIGIN = Origin("model (fp32)", "f00d", DIMENSIONS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a snapshot of one collection with one document."""
    catalog = Catalog(tmp_path / "data", ORIGIN)
    upsert(catalog.create("notes", exist_ok=False)[0], Document("a", "one"))
    taken = catalog.snapshots.take("monday", catalog.collections())
    catalog.close()
    return taken.path


def test_restored(path: Path, tmp_path: Path, capsys):
    """A snapshot becomes a data folder that a server starts on; a second time it would overwrite, and is refused."""
    arguments = ["restore", str(path), "--into", str(tmp_path / "new")]
    assert main.main(arguments) == 0
    assert capsys.readouterr().out == "restored notes: 1 document\n"
    assert main.main(["verify", str(tmp_path / "new")]) == 0
    catalog = Catalog(tmp_path / "new", ORIGIN)
    assert found(catalog.get("notes"), "one") == ["a"]
    catalog.close()
    assert main.main(arguments) == 2
    assert "'notes' is there already, and nothing was restored" in capsys.readouterr().err


def test_no_snapshot(tmp_path: Path, capsys):
    """A path where no snapshot is, is one line and exit code 2, and makes no data folder."""
    assert main.main(["restore", str(tmp_path / "gone"), "--into", str(tmp_path / "new")]) == 2
    assert "there is no snapshot 'gone' in " in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "notes"], "list shows all snapshots; leave the names out"),
        (["drop"], "drop needs the name of a snapshot"),
        (["list", "--name=monday"], "--name is of a snapshot that is created; list has none"),
    ],
)
def test_what_cannot_be_meant(arguments: list[str], message: str, capsys):
    """What an action does not take is refused before a server is asked."""
    assert main.main(["snapshot", *arguments]) == 2
    assert message in capsys.readouterr().err
