"""Names that callers bring, as labels: few and known ones alone, so that nobody makes series without end."""

from collections.abc import Callable, Collection

MOST = 100  # names that have a series of their own
OTHER = "other"


class Names:
    """The names of one label."""

    def __init__(self, known: Callable[[], Collection[str]] | None = None, most: int = MOST) -> None:
        """Begin with none.

        Args:
            known: returns the names that there are; None: all that come are.
            most: how many have a label of their own; the first that come.
        """
        self._known = known
        self._most = most
        self._labels: set[str] = set()
        self._dropped: set[str] = set()

    def label(self, name: str) -> str:
        """Return the label of a name: itself, or `other`; empty of none."""
        if not name or name in self._labels:
            return name
        known = None if self._known is None else self._known()
        if known is not None and name not in known:
            return OTHER
        if len(self._labels) >= self._most and known is not None:
            self._dropped |= self._labels.difference(known)
            self._labels.intersection_update(known)
        if len(self._labels) >= self._most:
            return OTHER
        self._labels.add(name)
        self._dropped.discard(name)
        return name

    def take_dropped(self) -> Collection[str]:
        """Return the labels that made room for others since this was last asked."""
        dropped, self._dropped = self._dropped, set()
        return dropped
