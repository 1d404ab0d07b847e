"""A collection's index made anew beside the one that is searched, which it then replaces.

It holds what the documents have at the end: what changes meanwhile is noted by the old index and done again in the
new one, the last of it while changes wait. Searches go on all the time, in the old one or the new one.
"""

import threading
from collections.abc import Callable, Iterator

import numpy as np

from . import unit_vectors
from .made import Truth
from .unit_vectors import Keys
from .vectors import Vectors

# Vectors that are read at once: a search waits for its own documents no longer than this takes, half a millisecond.
_BATCH = 64
# Changes wait while this many keys are compared, which takes as long as an upsert; and under a flood of changes
# after as many rounds.
_LAST = 64
_ROUNDS = 20


def rebuild(documents: Truth, vectors: Vectors, changing: threading.Lock, go_on: Callable[[], bool]) -> bool:
    """Replace a collection's index by a new one, and return whether that was done.

    Args:
        documents: the truth.
        vectors: the index that is derived from them.
        changing: the lock of all changes.
        go_on: asked between batches; False stops the work, and the old index stays.

    Raises:
        UnknownCollection: the collection was dropped meanwhile.
        StorageFailed: its documents cannot be read.
    """
    with changing:
        successor = vectors.succeed()
    try:
        for batch in _batches(documents.keys()):
            _add(documents, successor, batch)
            if not go_on():
                return False
        successor.mend(successor.keys())
        for _ in range(_ROUNDS):
            if len(keys := vectors.changed()) <= _LAST or not go_on():
                break
            _follow(documents, successor, keys)
        else:
            keys = np.empty(0, np.uint64)
        with changing:
            _follow(documents, successor, np.union1d(keys, vectors.changed()))
            vectors.take_over(successor)
        return True
    finally:
        vectors.give_up()


def fill(documents: Truth, vectors: Vectors, keys: Keys, told: Callable[[int], None]) -> None:
    """Add the documents' vectors of these keys to an index.

    Args:
        documents: the truth.
        vectors: the index.
        keys: each once.
        told: is called with the number of keys that were added so far.
    """
    done = 0
    for batch in _batches(keys):
        _add(documents, vectors, batch)
        done += len(batch)
        told(done)


def _follow(documents: Truth, successor: Vectors, keys: Keys) -> None:
    """Make a successor hold these keys as the documents do."""
    for batch in _batches(keys):
        there = _add(documents, successor, batch)
        successor.remove(np.setdiff1d(batch, there))


def _add(documents: Truth, vectors: Vectors, keys: Keys) -> Keys:
    """Add the vectors that documents have under these keys, and return the keys that have one."""
    there, found = documents.vectors(keys)
    # Another machine's division may have ended in another bit, so the keys are those of the table.
    vectors.add(unit_vectors.of(found)._replace(keys=there))
    return there


def _batches(keys: Keys) -> Iterator[Keys]:
    return (keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH))
