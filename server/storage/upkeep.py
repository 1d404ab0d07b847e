"""A collection's index kept up with its documents: brought up to them at start, and then in the background.

The index may be behind in any way, or gone: only a comparison of its keys with the documents' counts. What takes long
is done by a thread that comes when there is something to do, and gives way to all others: the file that was loaded is
proved, an index that has become sparse is made anew, one that has changed is saved.
"""

import contextlib
import ctypes
import logging
import threading
import time
from collections.abc import Callable

from shortlist.server import cores
from shortlist.server.errors import StorageFailed, UnknownCollection

from .made import Truth
from .rebuild import fill, rebuild
from .vectors import Vectors

logger = logging.getLogger(__name__)

# The index is saved once this much of it has changed, so that a crash costs a bounded time at the next start: 20
# seconds where there are a million.
_SAVE_AFTER_CHANGES = 10_000
_SAVE_AFTER_SHARE = 0.02
_TOLD_EVERY_SECONDS = 10.0


class Upkeep:
    """The upkeep of one collection's index."""

    def __init__(self, name: str, documents: Truth, vectors: Vectors, changing: threading.Lock) -> None:
        """Begin with an index that may be behind.

        Args:
            name: the collection's, for the log.
            documents: the truth.
            vectors: the index that is derived from them.
            changing: the lock of all changes.
        """
        self._name = name
        self._documents = documents
        self._vectors = vectors
        self._changing = changing
        self._unsaved = 0  # changes of the index since it was saved
        self._resting = threading.Event()
        self._resting.set()
        self._thread: threading.Thread | None = None
        self._state = threading.Lock()  # of the two above: what is unsaved, and whether a thread is there

    def catch_up(self) -> None:
        """Make the index hold exactly the documents' vectors."""
        before = len(self._vectors)
        wanted = self._documents.keys()
        missing = self._vectors.keep(wanted)
        if len(missing) and not self._vectors.prove():
            self._vectors.take_over(self._vectors.succeed())
            missing = wanted
        with self._state:
            self._unsaved += before + 2 * len(missing) - len(wanted)  # removed and added
        if len(missing):
            logger.info("collection %s: adding %d vectors to its index", self._name, len(missing))
            fill(self._documents, self._vectors, missing, self._told(len(missing)))
            self._vectors.mend(missing)
            self.save()

    def begin(self) -> None:
        """Do in the background what is due from now on: searches use this index."""
        self._resting.clear()
        self._see_to_it()

    def _told(self, count: int) -> Callable[[int], None]:
        last = time.monotonic()

        def tell(done: int) -> None:
            nonlocal last
            if time.monotonic() - last > _TOLD_EVERY_SECONDS:
                last = time.monotonic()
                logger.info("collection %s: %d of %d vectors added to its index", self._name, done, count)

        return tell

    def changed(self, count: int) -> None:
        """Count vectors that were added or removed, and have done what is due by that."""
        with self._state:
            self._unsaved += count
        self._see_to_it()

    def save_changes(self) -> None:
        """Save the index if it changed since the last save."""
        if self._unsaved:
            self.save()

    def save(self) -> None:
        """Save the index, or log why not: documents are safe without it, and it is tried again after more changes."""
        with self._state:
            self._unsaved = 0
        try:
            self._vectors.save()
        except (OSError, RuntimeError) as error:
            logger.warning(
                "collection %s: its index could not be saved (%s); a start will take longer", self._name, error
            )

    def rest(self) -> None:
        """Begin nothing more in the background: searches use another index."""
        self._resting.set()

    def stop(self) -> None:
        """End what is done in the background: what was not finished is begun again at the next start."""
        self.rest()
        if (thread := self._thread) is not None:
            thread.join()

    def _see_to_it(self) -> None:
        """Have a thread do what is due, unless one does."""
        with self._state:
            if self._thread is None and self._due() is not None:
                self._thread = threading.Thread(target=self._work, name=f"upkeep of {self._name}", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        cores.give_way()
        try:
            while (task := self._next()) is not None:
                task()
        except UnknownCollection:
            logger.info("collection %s was dropped while its index was seen to", self._name)
        except StorageFailed as error:
            logger.warning("collection %s: its index could not be made anew (%s)", self._name, error)
            with self._state:
                self._thread = None  # and tried again at the next change

    def _next(self) -> Callable[[], object] | None:
        with self._state:
            if (task := self._due()) is None:
                self._thread = None
            return task

    def _due(self) -> Callable[[], object] | None:
        """Return what there is to do."""
        if self._resting.is_set():
            return None
        if self._vectors.unproved:
            return self._prove
        if self._vectors.graph.sparse or not self._vectors.proved:
            return self._rebuild
        if self._unsaved >= max(_SAVE_AFTER_CHANGES, _SAVE_AFTER_SHARE * self._documents.count):
            return self.save
        return None

    def _prove(self) -> None:
        if not self._vectors.prove():
            logger.error(
                "collection %s: the file of its index is not as it was written, so see to the disk; it is made anew,"
                " and until then searches compare all vectors and nothing can be written",
                self._name,
            )

    def _rebuild(self) -> None:
        began = time.monotonic()
        done = rebuild(self._documents, self._vectors, self._changing, lambda: not self._resting.is_set())
        if done and not self._resting.is_set():
            _give_back()
            taken = time.monotonic() - began
            logger.info(
                "collection %s: its index of %d vectors was made anew in %.0f s",
                self._name,
                len(self._vectors),
                taken,
            )
            self.save()


def _give_back() -> None:
    """Have malloc give the system what is free: after a rebuild it kept a third of what the old index had."""
    with contextlib.suppress(AttributeError, OSError):  # only glibc's can
        ctypes.CDLL(None).malloc_trim(0)
