"""A collection's index kept up with its documents: brought up to them at start, and saved as it changes.

The index may be behind in any way, or gone: only a comparison of its keys with the documents' counts.
The collection's lock (`collection.py`) keeps saves apart from changes.
"""

import logging

from . import unit_vectors
from .made import Truth
from .vectors import Vectors

logger = logging.getLogger(__name__)

# The index is saved once this much of it has changed, so that a crash costs a bounded time at the next start.
_SAVE_AFTER_CHANGES = 10_000
_SAVE_AFTER_SHARE = 0.1
_REBUILD_BATCH = 1000


class Upkeep:
    """The upkeep of one collection's index."""

    def __init__(self, name: str, documents: Truth, vectors: Vectors) -> None:
        """Begin with an index that may be behind.

        Args:
            name: the collection's, for the log.
            documents: the truth.
            vectors: the index that is derived from them.
        """
        self._name = name
        self._documents = documents
        self._vectors = vectors
        self._unsaved = 0  # changes of the index since it was saved

    def catch_up(self) -> None:
        """Make the index hold exactly the documents' vectors."""
        before = len(self._vectors)
        wanted = self._documents.keys()
        missing = self._vectors.keep(wanted)
        self._unsaved = before + 2 * len(missing) - len(wanted)  # removed and added
        if not len(missing):
            return
        logger.info("collection %s: adding %d vectors to its index", self._name, len(missing))
        for start in range(0, len(missing), _REBUILD_BATCH):
            keys, vectors = self._documents.vectors(missing[start : start + _REBUILD_BATCH])
            # Another machine's division may have ended in another bit, so the keys are those of the table.
            self._vectors.add(unit_vectors.of(vectors)._replace(keys=keys))
        self._vectors.mend(missing)
        self.save()

    def changed(self, count: int) -> None:
        """Count vectors that were added or removed, and save the index if they are many."""
        self._unsaved += count
        if self._unsaved >= max(_SAVE_AFTER_CHANGES, _SAVE_AFTER_SHARE * self._documents.count):
            self.save()

    def save_changes(self) -> None:
        """Save the index if it changed since the last save."""
        if self._unsaved:
            self.save()

    def save(self) -> None:
        """Save the index, or log why not: documents are safe without it, and it is tried again after more changes."""
        try:
            self._vectors.save()
        except (OSError, RuntimeError) as error:
            logger.warning(
                "collection %s: its index could not be saved (%s); a start will take longer", self._name, error
            )
        self._unsaved = 0
