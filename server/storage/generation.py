"""The vectors that a collection is searched by: of one embedder, with their index and its upkeep.

A search takes the generation once and keeps to it, so that its query's vector and all that it is compared with are
of one embedder, whatever takes the generation's place meanwhile.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

from . import generations
from .document import Origin
from .documents import Documents
from .filtered import Among
from .upkeep import Upkeep
from .vectors import Vectors

_INDEX = "vectors.usearch"


class Superseded(Exception):
    """What was asked is of an embedder that the collection had before; to be done again with the one it has."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The vectors of a collection by one embedder."""

    origin: Origin
    vectors: Vectors
    upkeep: Upkeep
    among: Among

    def check(self, made_by: str | None) -> None:
        """Raise unless the embedder of this fingerprint made the vectors; None: it is taken for it.

        Raises:
            Superseded: another embedder made them.
        """
        if made_by not in {None, self.origin.fingerprint}:
            raise Superseded(made_by)


def opened(folder: Path, documents: Documents, collection: int, changing: threading.Lock) -> Generation:
    """Return the vectors that documents have, with the index as it was saved, and remove indexes of others.

    Args:
        folder: the collection's.
        documents: in it.
        collection: its number in this process.
        changing: what is held while documents are changed.
    """
    made_by, number = documents.origin, documents.generation
    path, quantization = index_of(folder, number), documents.choices.quantization
    # Those of this generation, whatever takes its place while they are read.
    made = documents.made(number, made_by.dimensions)
    vectors = Vectors(path, made_by.dimensions, quantization, made)
    upkeep = Upkeep(folder.name, made, vectors, changing)
    coming = generations.coming(documents.facts())
    remove_others(folder, number, *([coming.number] if coming else []))
    return Generation(made_by, vectors, upkeep, Among(documents, vectors, collection))


def index_of(folder: Path, number: int) -> Path:
    """Return where a collection's folder has the index of a generation."""
    return folder / (_INDEX if number == 1 else f"vectors-{number}.usearch")


def remove_others(folder: Path, *kept: int) -> None:
    """Remove the indexes of all but some generations, with what lies beside them."""
    stems = {index_of(folder, number).stem for number in kept}
    for path in folder.glob("vectors*"):
        if path.is_file() and path.stem not in stems:
            path.unlink(missing_ok=True)
