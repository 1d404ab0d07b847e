"""The set of collections: made and dropped whole, one server a folder, one embedder a collection."""

from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import CollectionExists, StorageError, UnknownCollection
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document, Origin

ORIGIN = Origin("model (fp32)", "f00d", 2)


def test_collections_outlive_the_server(tmp_path: Path):
    """What was created is there, with its documents, after a new start."""
    catalog = Catalog(tmp_path, ORIGIN)
    collection, created = catalog.create("papers", exist_ok=False)
    collection.upsert([Document("a", "text")], np.ones((1, 2), np.float32), [1])
    catalog.close()
    catalog = Catalog(tmp_path, ORIGIN)
    assert created
    assert [(found.name, len(found)) for found in catalog.collections()] == [("papers", 1)]
    catalog.close()


def test_creating_twice(tmp_path: Path):
    """A name that is taken is refused, or returned as it is where that is asked for."""
    catalog = Catalog(tmp_path, ORIGIN)
    first, _ = catalog.create("papers", exist_ok=False)
    with pytest.raises(CollectionExists, match="'papers' is there already"):
        catalog.create("papers", exist_ok=False)
    assert catalog.create("papers", exist_ok=True) == (first, False)
    catalog.close()


def test_dropping(tmp_path: Path):
    """A dropped collection is gone at once and after a new start; its folder is gone too."""
    catalog = Catalog(tmp_path, ORIGIN)
    collection, _ = catalog.create("papers", exist_ok=False)
    collection.upsert([Document("a", "text")], np.ones((1, 2), np.float32), [1])
    assert catalog.drop("papers") == 1
    with pytest.raises(UnknownCollection, match="no collection named 'papers'"):
        catalog.get("papers")
    assert list((tmp_path / "collections").iterdir()) == []
    with pytest.raises(UnknownCollection, match="dropped"):
        collection.get(["a"])
    catalog.close()


def test_what_was_half_made_or_half_dropped_is_removed(tmp_path: Path):
    """Folders that a crash left between two states are cleared at start."""
    for name in (".new-1", ".dropped-2"):
        (tmp_path / "collections" / name).mkdir(parents=True)
    catalog = Catalog(tmp_path, ORIGIN)
    assert list((tmp_path / "collections").iterdir()) == []
    catalog.close()


def test_one_server_a_folder(tmp_path: Path):
    """A second server on the same data folder is refused while the first one runs."""
    catalog = Catalog(tmp_path, ORIGIN)
    with pytest.raises(StorageError, match="in use by a server"):
        Catalog(tmp_path, ORIGIN)
    catalog.close()
    Catalog(tmp_path, ORIGIN).close()


def test_another_embedder(tmp_path: Path):
    """A collection that another embedder made stops the start, naming both."""
    catalog = Catalog(tmp_path, ORIGIN)
    catalog.create("papers", exist_ok=False)
    catalog.close()
    with pytest.raises(StorageError, match=r"papers .* made with model \(fp32\), .* but the embedder is other"):
        Catalog(tmp_path, Origin("other (int8)", "beef", 2))
    Catalog(tmp_path, ORIGIN).close()  # the refused start left the folder free


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    """A data folder where a file stands is refused by its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file cannot be used"):
        Catalog(tmp_path / "file", ORIGIN)
