"""Which documents a filter matches: exactly, as their numbers.

Each condition is a statement whose answer is a set of numbers, and the sets are joined here. For half of a million
documents that takes 60 ms, so the last few answers are kept until the documents change. Values are always bound.
The reading connection and its lock are the caller's.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from .filters import TICK_NS, AllOf, AnyOf, Between, Condition, Exists, Filter, From, Kind, NotOf, OneOf, Value
from .reading import Read

Numbers = NDArray[np.int64]

_SEQS = "SELECT group_concat(seq) FROM"
_FIELD = "field = (SELECT number FROM fields WHERE path = ? AND kind = ?)"
# What lies below a path begins with it and a dot, and so is less than it and the character after a dot.
_BELOW = "field IN (SELECT number FROM fields WHERE path = ?1 OR (path > ?1 || '.' AND path < ?1 || '/'))"
_KINDS = "SELECT path, kind FROM fields WHERE path IN (SELECT value FROM json_each(?))"
_PARENTS = "SELECT DISTINCT ?1 FROM fields WHERE path > ?1 || '.' AND path < ?1 || '/'"
_PATHS = "SELECT DISTINCT path FROM fields ORDER BY path LIMIT ?"
_KEPT = 16
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The documents that a filter matches."""

    seqs: Numbers  # ascending
    last: int  # the greatest number that any document had had then

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.seqs)

    def holds(self, seqs: Numbers) -> NDArray[np.bool_]:
        """Return for each number whether it is here."""
        if not len(self.seqs):
            return np.zeros(len(seqs), np.bool_)
        places = np.minimum(np.searchsorted(self.seqs, seqs), len(self.seqs) - 1)
        return self.seqs[places] == seqs  # type: ignore[no-any-return]  # NumPy's comparison


class Cache:
    """The last filters that were asked for, and what they match."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._found: OrderedDict[Filter, tuple[int, Matches]] = OrderedDict()

    def get(self, where: Filter, version: int) -> Matches | None:
        """Return what a filter matches in this version of the documents, if that is known."""
        with self._lock:
            kept, found = self._found.get(where, (None, None))
            return found if kept == version else None

    def put(self, where: Filter, version: int, found: Matches) -> None:
        """Keep what a filter matches in a version of the documents, and forget the oldest."""
        with self._lock:
            self._found[where] = version, found
            self._found.move_to_end(where)
            if len(self._found) > _KEPT:
                self._found.popitem(last=False)


def matches(read: Read, where: Filter) -> Matches:
    """Return the documents that a filter matches; `read` must see one state of the tables all the time."""
    return Matches(_seqs(read, where), last(read))


def last(read: Read) -> int:
    """Return the greatest number that any document has had."""
    ((found,),) = read("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'documents'")
    return int(found)


def kinds(read: Read, paths: Iterable[str]) -> dict[str, set[Kind]]:
    """Return of which kinds these fields are, by path; none of those that only hold others."""
    wanted = sorted(set(paths))
    found: dict[str, set[Kind]] = {path: set() for path in wanted if read(_PARENTS, path)}
    for path, kind in read(_KINDS, json.dumps(wanted)):
        found.setdefault(path, set()).add(kind)
    return found


def paths(read: Read, most: int) -> list[str]:
    """Return the first fields by name."""
    return [path for (path,) in read(_PATHS, most)]


def _seqs(read: Read, where: Filter) -> Numbers:
    match where:
        case AllOf(filters):
            found = sorted((_seqs(read, one) for one in filters), key=len)
            return reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), found)
        case AnyOf(filters):
            return np.unique(np.concatenate([_seqs(read, one) for one in filters]))
        case NotOf(inner):
            return np.setdiff1d(_read(read, f"{_SEQS} documents"), _seqs(read, inner), assume_unique=True)
        case From(source):
            return _read(read, f"{_SEQS} documents WHERE source = ?", source)
        case Condition(path, test):
            return _tested(read, path, test)


def _tested(read: Read, path: str, test: OneOf | Between | Exists) -> Numbers:
    if isinstance(test, Exists):
        found = _read(read, f"{_SEQS} attributes WHERE {_BELOW}", path)
        if test.wanted:
            return found
        return np.setdiff1d(_read(read, f"{_SEQS} documents"), found, assume_unique=True)
    if isinstance(test, OneOf):
        where = f"value IN ({', '.join('?' * len(test.values))})"
    else:
        low = "" if test.low is None else f"value {'>=' if test.with_low else '>'} ?"
        high = "" if test.high is None else f"value {'<=' if test.with_high else '<'} ?"
        where = " AND ".join(filter(None, (low, high)))
    return _read(
        read,
        f"{_SEQS} attributes WHERE {_FIELD} AND {where}",
        path,
        test.values[0].kind,
        *map(_stored, test.values),
    )


def _stored(value: Value) -> str | int | float:
    """Return a value as the table has it."""
    return int(value.value) // TICK_NS if value.kind == "time" else value.value


def _read(read: Read, statement: str, *values: str | float) -> Numbers:
    """Return the numbers that a statement joins by commas, each once, ascending."""
    ((joined,),) = read(statement, *values)
    return np.unique(np.fromstring(joined, np.int64, sep=",")) if joined else _NOTHING
