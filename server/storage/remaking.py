"""A collection's vectors made anew by another embedder, while searches use the old ones.

    begin -> (missing -> add)... -> switch

`begin` makes a generation beside the one that is used (`generations.py`), or goes on with it: what was added is kept,
whatever ends the process. Documents that are written meanwhile have no vector in it yet, so they are among `missing`
again; those that are deleted go from both. `switch` waits for no quiet moment: it has changes wait while the last few
are made, and then the new generation takes the old one's place, in one transaction and by one assignment.

All methods block; one thread at a time calls them. The collection's lock keeps them apart from its changes.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import generation, generations, unit_vectors
from .document import Document, Origin
from .documents import Documents
from .filtered import Among
from .generation import Generation
from .generations import Next
from .made import Made
from .upkeep import Upkeep
from .vectors import Vectors

# Documents that a switch makes while changes wait, at most: some tenths of a second.
LAST = 32
_DROPPED = 2000  # vectors that are dropped at once: a tenth of a second on a busy machine


class Embedded(NamedTuple):
    """What an embedder made of documents."""

    vectors: NDArray[np.float32]  # float32 [documents, dimensions]
    tokens: Sequence[int]


class _Coming(NamedTuple):
    """The generation that is being made, as far as it is."""

    known: Next
    made: Made
    indexed: Generation


class Remaking:
    """The making of a collection's next generation."""

    def __init__(
        self,
        folder: Path,
        documents: Documents,
        changing: threading.Lock,
        number: int,
        use: Callable[[Generation], None],
    ) -> None:
        """Begin with nothing made.

        Args:
            folder: the collection's.
            documents: the collection's.
            changing: the collection's lock, which keeps changes apart.
            number: the collection's, in this process.
            use: has searches use a generation from now on.
        """
        self._folder = folder
        self._documents = documents
        self._changing = changing
        self._number = number
        self._use = use
        self._coming: _Coming | None = None
        self._after = 0  # the number of a document up to which all are made

    def find(self) -> Next | None:
        """Return the generation that is being made, or was when the process ended."""
        return generations.coming(self._documents.facts())

    def begin(self, origin: Origin, bundle: str) -> int:
        """Begin, or go on where it was this embedder's before, and return how many documents are made already.

        Args:
            origin: the embedder.
            bundle: its path.

        Raises:
            UnknownCollection, StorageFailed: as of a change.
        """
        self.stop()
        with self._changing, self._documents.transaction() as connection:
            coming = generations.begin(connection, origin, bundle)
        made = self._documents.made(coming.number, origin.dimensions)
        path, quantization = generation.index_of(self._folder, coming.number), self._documents.choices.quantization
        vectors = Vectors(path, origin.dimensions, quantization, made)
        upkeep = Upkeep(self._folder.name, made, vectors, self._changing)
        upkeep.catch_up()
        upkeep.begin()
        among = Among(self._documents, vectors, self._number)
        self._coming, self._after = _Coming(coming, made, Generation(origin, vectors, upkeep, among)), 0
        return made.made()

    def missing(self, most: int) -> list[tuple[int, Document]]:
        """Return the first documents that are not made, each beside its number; none: all are made."""
        return self._begun().made.missing(self._after, most)

    def add(self, seqs: Sequence[int], embedded: Embedded) -> None:
        """Keep the vectors of documents, by their numbers; those that were deleted meanwhile are left out.

        Args:
            seqs: of the first documents that were missing, or of the first few of them.
            embedded: what was made of them.

        Raises:
            InferenceFailed: a vector is not finite.
            UnknownCollection, StorageFailed: as of a change.
        """
        with self._changing:
            self._add(seqs, embedded)

    def switch(self, make: Callable[[Sequence[Document]], Embedded]) -> bool:
        """Have searches use what was made, and return True; or False where too many documents came meanwhile.

        Args:
            make: embeds the last few documents, while changes wait.

        Raises:
            InferenceFailed, UnknownCollection, StorageFailed: as of `add`; searches use what they used.
        """
        coming = self._begun()
        with self._changing:
            if len(last := self.missing(LAST + 1)) > LAST:
                return False
            if last:
                self._add([seq for seq, _ in last], make([document for _, document in last]))
            coming.indexed.upkeep.catch_up()  # without what was deleted or replaced
            with self._documents.transaction() as connection:
                generations.switch(connection, coming.known)
            self._documents.refresh()
            self._use(coming.indexed)
            self._coming = None
        return True

    def abandon(self) -> None:
        """Drop what was made."""
        self.stop()
        with self._changing, self._documents.transaction() as connection:
            generations.abandon(connection)
            self._coming = None

    def stop(self) -> None:
        """End what is done in the background for the index of what was made."""
        if self._coming is not None:
            self._coming.indexed.upkeep.stop()

    def _add(self, seqs: Sequence[int], embedded: Embedded) -> None:
        """Add vectors, also of documents that were deleted meanwhile, to the index until the switch; locked."""
        coming = self._begun()
        directions = unit_vectors.of(embedded.vectors)
        blobs = (vector.tobytes() for vector in embedded.vectors)
        rows = list(zip(seqs, directions.keys.tolist(), embedded.tokens, blobs, strict=True))
        with self._documents.transaction() as connection:
            generations.add(connection, coming.known.number, rows)
        self._after = max(self._after, *seqs)
        coming.indexed.vectors.add(directions)
        coming.indexed.upkeep.changed(len(rows))

    def _begun(self) -> _Coming:
        assert self._coming is not None, "begin comes first"  # noqa: S101 (our own order)
        return self._coming

    @property
    def untidy(self) -> bool:
        """Return whether there are vectors that searches do not use any more."""
        return self._documents.has_unused()

    def tidy(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Drop what searches do not use any more, a little at a time: changes go between.

        Args:
            go_on: asked in between; False leaves the rest for later.

        Raises:
            UnknownCollection, StorageFailed: as of a change.
        """
        while self.untidy and go_on():
            with self._changing, self._documents.transaction() as connection:
                generations.shrink(connection, _DROPPED)
        coming = self.find()
        kept = [coming.number] if coming else []
        generation.remove_others(self._folder, self._documents.generation, *kept)
