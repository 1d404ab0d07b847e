"""Collections of short vectors: what a test writes into them and finds again."""

import shutil
from pathlib import Path

import numpy as np

from shortlist.server.storage import word_upkeep
from shortlist.server.storage.choices import DEFAULTS, Choices
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin

DIMENSIONS = 8


def vector(seed: str) -> np.ndarray:
    """Return a unit vector that depends on the text alone."""
    made = np.random.default_rng(list(seed.encode())).normal(size=DIMENSIONS).astype(np.float32)
    return made / np.linalg.norm(made)


def create(folder: Path, choices: Choices = DEFAULTS) -> Collection:
    """Make and open an empty collection."""
    folder.mkdir()
    Collection.create(folder, Origin("model (fp32)", "f00d", DIMENSIONS), 0.0, choices)
    return Collection(folder)


def upsert(collection: Collection, *documents: Document):
    """Write documents with vectors of their texts."""
    vectors = np.array([vector(document.text) for document in documents])
    return collection.upsert(documents, vectors, [3] * len(documents))


def followed() -> None:
    """Wait until the lexical indexes hold what was changed."""
    word_upkeep._committer.submit(int).result()


def killed(collection: Collection) -> None:
    """Close a collection without a save, as if its process were killed."""
    collection._indexes.words._closing.set()
    followed()
    collection._documents.close()


def found(collection: Collection, text: str, count: int = 100) -> list[str]:
    """Return the ids that a search for a text finds, nearest first."""
    return [candidate.document.id for candidate in collection.by_vectors.search(vector(text), count)]


def crashed(folder: Path, copy: Path) -> Collection:
    """Open a copy of the files as they are on disk now, as a new process would after kill -9."""
    followed()  # no file may come or go while it is copied
    shutil.copytree(folder, copy)
    return Collection(copy)
