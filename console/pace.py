"""How fast a job goes, of which some is done already: the rate of what takes time, while it takes time.

Documents that a server has already pass a hundred times as fast as those that it must embed. A mean of both says
neither how fast it works nor when it ends. So stretches in which nothing but such documents passed are left out.
"""

from collections import deque
from typing import NamedTuple

# What comes together, such as the answers of one batch, is of one stretch, with the pause before it. It ends with the
# next pause, or after this time without one.
_PAUSE_S = 0.1
_STRETCH_S = 1.0
_RECENT_S = 20.0


class _Point(NamedTuple):
    """How far a job was at a time."""

    at_s: float
    done: int
    unchanged: int


class _Stretch(NamedTuple):
    """How much was done in how long."""

    seconds: float
    written: int


class Pace:
    """The rate of a job, recently and on the whole."""

    def __init__(self, now: float) -> None:
        """Begin at nothing done, at a time in seconds."""
        self._begun = self._last = _Point(now, 0, 0)  # of the stretch that is not over
        self._first_s: float | None = None  # when something came in it
        self._recent: deque[_Stretch] = deque()  # those of the last seconds of work
        self._whole = _Stretch(0.0, 0)

    def add(self, now: float, done: int, unchanged: int) -> None:
        """Note how much is done by now, and how much of that was done already."""
        first_s = now if self._first_s is None else self._first_s
        is_over = now - self._last.at_s >= _PAUSE_S or self._last.at_s - first_s >= _STRETCH_S
        if is_over and self._first_s is not None:
            if stretch := self._present():
                self._recent.append(stretch)
                self._whole = _sum([self._whole, stretch])
                while len(self._recent) > 1 and _sum(self._recent).seconds - self._recent[0].seconds >= _RECENT_S:
                    self._recent.popleft()
            self._begun, first_s = self._last, now
        self._first_s = first_s
        self._last = _Point(now, done, unchanged)

    @property
    def recent(self) -> float:
        """Return the rate of the last seconds of work, or, before there was any, of what was done already."""
        stretches = [*self._recent, *([present] if (present := self._present()) else [])]
        if stretches:
            return _rate(_sum(stretches))
        return _rate(_Stretch(self._last.at_s - self._begun.at_s, self._last.done - self._begun.done))

    @property
    def mean(self) -> float:
        """Return the rate of all work; 0 if there was none."""
        present = self._present()
        return _rate(_sum([self._whole, present]) if present else self._whole)

    def _present(self) -> _Stretch | None:
        """Return the stretch that is not over; None if there was no work in it."""
        written = self._last.done - self._last.unchanged - (self._begun.done - self._begun.unchanged)
        return _Stretch(self._last.at_s - self._begun.at_s, written) if written else None


def _sum(stretches: "deque[_Stretch] | list[_Stretch]") -> _Stretch:
    return _Stretch(sum(one.seconds for one in stretches), sum(one.written for one in stretches))


def _rate(stretch: _Stretch) -> float:
    return stretch.written / stretch.seconds if stretch.seconds else 0.0
