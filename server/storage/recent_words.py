"""The words of changes that a lexical index does not hold yet: kept in memory until its next commit.

A commit syncs some ten files, so no change waits for it. Searches find what was changed by the same formula (BM25) as
in the index, with one difference: until the commit a document counts as one of the mean length.
"""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

Words = Counter[str]  # of a document: how often it has each

K1 = 1.2  # tantivy's


@dataclass(frozen=True, slots=True)
class Change:
    """What changed since the last commit."""

    added: Mapping[int, Words]  # by number
    removed: Collection[int]  # numbers

    def count(self, word: str) -> int:
        """Return how many of the added documents have a word."""
        return sum(word in words for words in self.added.values())

    def scores(self, worth: Mapping[str, float], among: Collection[int] | None) -> dict[int, float]:
        """Return the BM25 of those added documents that have some of the words.

        Args:
            worth: the words that are looked for, with their inverse document frequency.
            among: only documents of these numbers.
        """
        found = {}
        for number, words in self.added.items():
            there = [(worth[word], words[word]) for word in worth if word in words]
            if there and (among is None or number in among):
                found[number] = sum(idf * (K1 + 1) * times / (times + K1) for idf, times in there)
        return found


class RecentWords:
    """The changes of one collection that wait for a commit."""

    def __init__(self, last: int) -> None:
        """Begin with none; `last` is the greatest number that was given until then."""
        self.last = last
        self._lock = threading.Lock()
        self._added: dict[int, Words] = {}
        self._removed: set[int] = set()

    def __len__(self) -> int:
        """Return the number of documents that wait."""
        return len(self._added)

    def tell(self, added: Iterable[tuple[int, Words]], removed: Sequence[int]) -> None:
        """Take a change: documents that are new, each a number and its words, and numbers of others that are gone."""
        with self._lock:
            self._added.update(added)
            self._removed.update(removed)
            self.last = max(self.last, *self._added, 0)
            # One that is being committed stays among the removed, for the next commit.
            for number in removed:
                self._added.pop(number, None)

    def now(self) -> Change:
        """Return what waits now."""
        with self._lock:
            return Change(dict(self._added), frozenset(self._removed))

    def forget(self, done: Change) -> None:
        """Drop what was committed."""
        with self._lock:
            for number in done.added:
                self._added.pop(number, None)
            self._removed.difference_update(done.removed)
