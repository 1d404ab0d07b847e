"""A collection's lexical index kept up with its documents: at start, and change by change.

A change is told after SQLite has committed it (`changed`, under the collection's lock), and is found by its words
from then on: in memory (`recent_words.py`), until a thread has committed it to the index. A commit syncs many files,
0.1 s where the disk is busy, so no change waits for one, and one commit holds all that was told until then. Where
more than `_LAG` documents wait, a change that comes commits them itself.

An index that is behind, at start or since the disk failed, is compared with the table, and what differs is mended: on
the spot where that is little, else in a thread, while documents are searched and changed. Until then it is not ready.
What is told meanwhile is never lost: a change removes a document's number before it adds it, a mending reads a
document in the moment it adds it, and both hold `_committing`.
"""

import contextlib
import logging
import math
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from shortlist.server.errors import NotServing, ShortlistError, first_line

from .document import Document
from .documents import Documents
from .recent_words import RecentWords
from .words import ERRORS, Words

logger = logging.getLogger(__name__)

_AT_ONCE = 1000  # documents that a start waits for
_BATCH = 5000  # documents a commit, when an index is mended
_LAG = 1000  # documents that may wait for a commit: to look through them takes a search some milliseconds
# Of a query: words that are looked at, and the rarest of them, which are looked for. More change no order, and a
# query may be a megabyte.
_LOOKED_AT, _LOOKED_FOR = 1_000, 32
_committer = ThreadPoolExecutor(1, "words")  # for all collections
_mending = threading.Semaphore(1)  # a thread's work for all collections: each writer has threads and 15 MB


class WordUpkeep:
    """The upkeep of one collection's lexical index."""

    def __init__(self, name: str, documents: Documents, words: Words) -> None:
        """Begin with an index that may be behind.

        Args:
            name: the collection's, for the log.
            documents: the truth.
            words: the index that is derived from them.
        """
        self._name = name
        self._documents = documents
        self._words = words
        self._recent = RecentWords(documents.last_number())
        self._committing = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._behind = False  # whether it has to be mended, once more where a thread is at it
        self.ready = False

    def catch_up(self) -> None:
        """Make the index hold exactly the documents: at once if little is missing, else in a thread."""
        missing, left_over = self._differences()
        self.ready = len(missing) <= _AT_ONCE and self._change(missing, left_over)
        if not self.ready:
            with self._committing:
                self._begin()

    @property
    def last(self) -> int:
        """Return the greatest number that was told."""
        return self._recent.last

    def analysed(self, documents: Sequence[Document]) -> list[Counter[str]]:
        """Return the words of documents, and how often each has them."""
        return [Counter(self._words.analyser.document(document.content)) for document in documents]

    def changed(self, added: Iterable[tuple[int, Counter[str]]], removed: Sequence[int]) -> None:
        """Take a change that was committed to the table, and let searches find it.

        Args:
            added: number and words of each new document.
            removed: numbers of documents that are gone.
        """
        self._recent.tell(added, removed)

    def follow(self) -> None:
        """Have the index hold soon what was told before."""
        if len(self._recent) > _LAG:
            self.commit()
        else:
            _committer.submit(self.commit)

    def commit(self) -> None:
        """Have the index hold what was told before."""
        with self._committing:
            told = self._recent.now()
            if not (told.added or told.removed) or self._closing.is_set():
                return
            written = self._write(((number, words.elements()) for number, words in told.added.items()), told.removed)
            self._recent.forget(told)  # what could not be written is mended
            if not written or (not self.ready and self._thread is None):
                self._begin()

    def search(self, text: str, count: int, among: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Return number and score of the `count` best documents, or of all that have a word of the text, best first.

        Args:
            text: what is asked.
            count: how many; at least 1.
            among: only documents of these numbers.

        Raises:
            NotServing: the index does not hold all documents yet.
        """
        if self.ready:
            try:
                return self._ranked(self._words.analyser.query(text)[:_LOOKED_AT], count, among)
            except ERRORS as error:
                with self._committing:
                    self._fall_behind(error)
                    self._begin()
        raise NotServing(
            f"candidates_from: the words of collection {self._name} are being indexed; search with"
            " CANDIDATES_FROM_DENSE meanwhile, or try again later"
        )

    def _ranked(self, words: Sequence[str], count: int, among: Sequence[int] | None) -> list[tuple[int, float]]:
        recent = (
            self._recent.now()
        )  # before the index is read: what is committed meanwhile is in both, and not in none
        index = self._words.reader()
        documents = len(recent.added) + (len(index) if index else 0)
        having = {word: recent.count(word) + (index.count(word) if index else 0) for word in words}
        rarest = sorted((word for word in words if having[word]), key=lambda word: having[word])[:_LOOKED_FOR]
        if not rarest:
            return []
        # The index counts what was deleted among those that have a word until it merges.
        without = {word: max(0, documents - having[word]) for word in rarest}
        worth = {word: math.log(1 + (without[word] + 0.5) / (having[word] + 0.5)) for word in rarest}
        found = recent.scores(worth, None if among is None else set(among))
        if index:
            found |= index.search(rarest, count + len(recent.removed), among)
        there = ((number, score) for number, score in found.items() if number not in recent.removed)
        return sorted(there, key=lambda one: (-one[1], one[0]))[:count]

    def close(self) -> None:
        """Close the index; what is not committed is mended at the next start."""
        self._closing.set()
        with self._committing:
            self._words.close()

    def _begin(self) -> None:
        """Mend the index in a thread; if one is at it, it begins once more. `_committing` is held."""
        if self._closing.is_set():
            return
        self._behind = True
        if self._thread is None:
            # A daemon: one that waits for its turn need not be waited for, and no batch is left half done.
            self._thread = threading.Thread(target=self._mend, name=f"words of {self._name}", daemon=True)
            self._thread.start()

    def _mend(self) -> None:
        """Make the index hold exactly the documents."""
        with _mending:
            while self._is_behind():
                done = self._mend_once() or self._mend_once(afresh=True)
                with self._committing:
                    self.ready = done and not self._behind

    def _is_behind(self) -> bool:
        """Return whether the index has to be mended, which the caller then does; else the thread ends."""
        with self._committing:
            behind, self._behind = self._behind, False
            if not behind:
                self._thread = None
            return behind

    def _mend_once(self, *, afresh: bool = False) -> bool:
        """Compare the index with the documents, add and remove what differs, and return whether that was done.

        Args:
            afresh: begin with an empty one, since this one takes no change.
        """
        try:
            missing, left_over = self._differences(afresh=afresh)
            logger.info("collection %s: adding %d documents to its lexical index", self._name, len(missing))
            return self._change(missing[:_BATCH], left_over) and all(
                self._change(missing[start : start + _BATCH], []) for start in range(_BATCH, len(missing), _BATCH)
            )
        except ShortlistError as error:  # of the table: those who read it are told
            self._fall_behind(error)
            return False

    def _differences(self, *, afresh: bool = False) -> tuple[list[int], list[int]]:
        """Return the numbers that the index lacks, ascending, and those that it has too many."""
        with self._committing:
            if self._closing.is_set():
                return [], []
            there: set[int] = set()
            if not (afresh or self._words.fault):
                with contextlib.suppress(*ERRORS):
                    there.update(self._words.numbers())
            if not there:
                self._words.clear()
            wanted = set(self._documents.numbers())
        return sorted(wanted - there), sorted(there - wanted)

    def _change(self, missing: Sequence[int], left_over: Sequence[int]) -> bool:
        """Add documents by their numbers and remove others, and return whether that was done."""
        if not missing and not left_over:
            return True
        with self._committing:
            if self._closing.is_set():
                return False
            rows = self._documents.rows(np.array(missing, np.int64))
            added = [(row.seq, self._words.analyser.document(row.document.content)) for row in rows]
            return self._write(added, left_over)

    def _write(self, added: Iterable[tuple[int, Iterable[str]]], removed: Collection[int]) -> bool:
        try:
            self._words.change(added, removed)
        except Exception as error:  # noqa: BLE001 (whatever it is: the thread that commits has nobody to tell it)
            self._fall_behind(error)
            return False
        return True

    def _fall_behind(self, error: Exception) -> None:
        self.ready = False
        logger.warning(
            "collection %s: its lexical index is behind its documents (%s); it is not searched until it is mended,"
            " after the next change or start at the latest",
            self._name,
            first_line(error),
        )
