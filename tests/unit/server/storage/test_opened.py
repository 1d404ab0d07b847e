"""What becomes of a collection whose files are removed, moved or replaced while it is open."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import StorageFailed, UnknownCollection
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin
from tiny_collections import followed

ORIGIN = Origin("model (fp32)", "f00d", 2)
NOBODY = 65534


def upsert(collection: Collection, name: str) -> None:
    """Write one document."""
    collection.upsert([Document(name, "text")], np.array([[1, 2]], np.float32), [1])


def there(data: Path) -> dict[str, set[str]]:
    """Return the documents of each collection that a new server finds."""
    catalog = Catalog(data, ORIGIN)
    found = {one.name: set(one.get(["a", "b", "c"])) for one in catalog.collections()}
    catalog.close()
    return found


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return a catalog with a collection `papers` of one document, `a`."""
    made = Catalog(tmp_path, ORIGIN)
    upsert(made.create("papers", exist_ok=False)[0], "a")
    yield made
    made.close()


def remove(folder: Path) -> None:
    """Remove a collection's folder."""
    followed()  # no file may come while it is removed
    shutil.rmtree(folder)


def move(folder: Path) -> None:
    """Move a collection's folder out of its place."""
    folder.rename(folder.with_name("elsewhere"))


def replace(folder: Path) -> None:
    """Put a copy in the folder's place, as from a backup."""
    followed()  # no file may come or go while it is copied
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.rmtree(folder)
    folder.with_name("copy").rename(folder)


def replace_file(folder: Path) -> None:
    """Put a copy of the documents in the file's place."""
    shutil.copy(folder / "documents.sqlite", folder / "new")
    (folder / "new").rename(folder / "documents.sqlite")


def remove_file(folder: Path) -> None:
    """Remove the file of the documents alone."""
    (folder / "documents.sqlite").unlink()


def remove_log(folder: Path) -> None:
    """Remove SQLite's log, where the newest changes are."""
    (folder / "documents.sqlite-wal").unlink()


@pytest.mark.parametrize("lose", [remove, move, replace, replace_file, remove_file, remove_log])
def test_nothing_is_acknowledged_that_is_not_kept(catalog: Catalog, tmp_path: Path, lose: Callable[[Path], None]):
    """A change of a collection whose files are not in their place fails with what happened and what to do."""
    collection = catalog.get("papers")
    lose(tmp_path / "collections" / "papers")
    for change in (lambda: upsert(collection, "b"), lambda: collection.delete(["a"])):
        with pytest.raises(StorageFailed, match=r"papers/documents.sqlite\S* was removed or replaced .* put it back"):
            change()
    assert set(collection.get(["a", "b"])) == {"a"}
    assert len(collection) == 1
    catalog.close()
    assert "b" not in there(tmp_path).get("papers", ()) if lose is not remove_file else True


def test_a_folder_that_comes_back(catalog: Catalog, tmp_path: Path):
    """A folder that was moved and is put back as it was serves as before."""
    collection, folder = catalog.get("papers"), tmp_path / "collections" / "papers"
    move(folder)
    with pytest.raises(StorageFailed):
        upsert(collection, "b")
    (tmp_path / "collections" / "elsewhere").rename(folder)
    upsert(collection, "c")
    catalog.close()
    assert there(tmp_path) == {"papers": {"a", "c"}}


@pytest.mark.parametrize("lose", [remove, move])
def test_dropping_what_is_gone(catalog: Catalog, tmp_path: Path, lose: Callable[[Path], None]):
    """A collection whose folder is gone can be dropped, and its name be given again."""
    lose(tmp_path / "collections" / "papers")
    assert catalog.drop("papers") == 1
    with pytest.raises(UnknownCollection):
        catalog.get("papers")
    upsert(catalog.create("papers", exist_ok=False)[0], "b")
    catalog.close()
    assert there(tmp_path)["papers"] == {"b"}


def test_dropping_what_was_replaced(catalog: Catalog, tmp_path: Path):
    """A folder that the server did not open is not deleted: it may be a backup that was put there."""
    replace(tmp_path / "collections" / "papers")
    with pytest.raises(StorageFailed, match=r"papers is not the folder that was opened.* start the server again"):
        catalog.drop("papers")
    catalog.close()
    assert there(tmp_path) == {"papers": {"a"}}


def test_a_file_that_lost_its_end(tmp_path: Path):
    """Documents that the disk does not give back are an error that says so, for reads and for changes."""
    catalog = Catalog(tmp_path, ORIGIN)
    names = [str(number) for number in range(200)]
    documents = [Document(name, "word " * 200) for name in names]
    catalog.create("papers", exist_ok=False)[0].upsert(documents, np.ones((200, 2), np.float32), [1] * 200)
    catalog.close()
    catalog = Catalog(tmp_path, ORIGIN)
    os.truncate(tmp_path / "collections" / "papers" / "documents.sqlite", 4096 * 4)
    with pytest.raises(StorageFailed, match="cannot be read: database disk image is malformed"):
        catalog.get("papers").get(names)
    with pytest.raises(StorageFailed, match="cannot be written: database disk image is malformed"):
        catalog.get("papers").delete(names)
    catalog.close()


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """Return an empty folder, and lack root's rights meanwhile, to which nothing is read-only."""
    folder = Path(tempfile.mkdtemp())
    was = os.geteuid()
    if not was:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield folder
    (folder / "collections").chmod(0o755)
    os.seteuid(was)
    shutil.rmtree(folder)


def test_a_read_only_folder(unprivileged: Path):
    """Where the folder cannot be written, nothing is created or dropped, with the reason, and all is as it was."""
    catalog = Catalog(unprivileged, ORIGIN)
    upsert(catalog.create("papers", exist_ok=False)[0], "a")
    (unprivileged / "collections").chmod(0o555)
    with pytest.raises(StorageFailed, match=r"cannot be written: .*Permission denied.*; nothing was dropped"):
        catalog.drop("papers")
    with pytest.raises(StorageFailed, match=r"cannot be written: .*Permission denied.*; nothing was created"):
        catalog.create("other", exist_ok=False)
    upsert(catalog.get("papers"), "b")
    catalog.close()
    assert there(unprivileged) == {"papers": {"a", "b"}}
