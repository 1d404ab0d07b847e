"""The two indexes that are derived from a collection's documents: of their vectors, and of their words.

The vectors of a change are in their index before the commit, and those that no document has any more go after it
(`collection.py`); words follow the commit (`word_upkeep.py`). Whoever changes documents holds the collection's lock.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import generation
from .documents import Documents
from .generation import Generation
from .measuring import Measured
from .unit_vectors import Directions, Keys
from .vector_search import VectorSearch
from .word_search import WordSearch
from .word_upkeep import WordUpkeep
from .words import Words
from .writing import Writing

WORDS = "words"


class Indexes:
    """The indexes of one collection, and the searches by them."""

    def __init__(self, folder: Path, documents: Documents, number: int, changing: threading.Lock) -> None:
        """Open the indexes in a collection's folder as they were left.

        Args:
            folder: where they are.
            documents: the truth.
            number: the collection's, in this process.
            changing: what is held while documents are changed.
        """
        used = generation.opened(folder, documents, number, changing)
        self._name, self._target = folder.name, documents.choices.recall_target
        self.by_vectors = VectorSearch(documents, used, number, changing)
        self._measure(used)
        self.words = WordUpkeep(folder.name, documents, Words(folder / WORDS, documents.choices.language))
        self.by_words = WordSearch(documents, self.words, self.by_vectors, number, changing)

    @property
    def used(self) -> Generation:
        """Return the vectors that searches use."""
        return self.by_vectors.used

    def use(self, made: Generation) -> None:
        """Search these vectors instead of those that are searched; changes wait meanwhile."""
        self.used.upkeep.rest()
        self.by_vectors.used = made
        self._measure(made)
        made.upkeep.begin()

    def _measure(self, used: Generation) -> None:
        self.measured = Measured(self._name, self._target, used.among)

    def catch_up(self) -> None:
        """Make the indexes hold what the documents are: of words, what takes long in a thread."""
        self.used.upkeep.catch_up()
        self.words.catch_up()
        self.used.upkeep.begin()

    @contextmanager
    def adding(self, made: Directions) -> Iterator[None]:
        """Hide vectors that the block adds until it has committed their documents, or remove them if it fails."""
        vectors = self.used.vectors
        new = vectors.missing(made.keys)
        with self.by_vectors.hiding(new):
            try:
                yield
            except BaseException:
                vectors.remove(new)
                raise
        self.used.upkeep.changed(len(new))

    def follow(self, change: Writing, old: Keys, words: Sequence[Counter[str]] = ()) -> None:
        """Take what was committed.

        Args:
            change: the numbers of documents that are new, and of those that are gone.
            old: keys that no document has any more.
            words: those of each new document.
        """
        self.used.vectors.remove(old)
        self.words.changed(zip(change.added, words, strict=True), change.removed)
        self.used.upkeep.changed(len(old))
