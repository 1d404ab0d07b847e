"""The recall of one collection's searches, and how widely its index is walked to hold a target.

A sample is a search that was done again exactly (`measuring.py`), and walked with every beam up to the one that found
all. So one sample tells of each beam what it finds and how long it takes: a beam is known to be enough before it is
taken, and a change of beam throws no sample away.

    mean below the target                            -> the least wider beam that meets it
    a narrower one surely meets it (two errors)      -> that one
    neither                                          -> the beam stays

What may be wider than the time allows is not taken; then the target is missed, and that is said. Pure decisions
behind a lock: knows neither the index nor threads.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

DEFAULT_TARGET = 0.99
DEPTH = 50  # the exact first so many are to be found
BEAMS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
FIRST_BEAM = 256

_KEPT = 256  # samples
_LEAST = 16  # samples that a beam is chosen by,
_LEAST_TO_NARROW = 100  # and a narrower one
_LEAST_TIMED = 4  # walks whose median time counts
_SURE = 2  # standard errors
_SPREAD = 0.02  # the least standard deviation that is believed: sixteen samples without a miss prove little
_OUTGROWN = 2  # a collection this many times larger or smaller is another one

State = Literal["exact", "unmeasured", "met", "missed"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A search that was done again exactly."""

    found: Floats  # float64 [beams]: the share of what is nearest that a walk with each of BEAMS finds
    took_s: Floats  # float64 [beams]: how long it took; not a number where no such walk was made
    size: int  # vectors that there were


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a collection's recall."""

    target: float
    state: State
    beam: int  # 0: all vectors are compared
    samples: int
    mean: float | None  # the running recall with that beam; None: there is no sample
    error: float  # its standard error


class Recall:
    """The samples of a collection, and its beam."""

    def __init__(self, name: str, target: float = DEFAULT_TARGET) -> None:
        """Begin without a sample.

        Args:
            name: the collection's, for the log.
            target: the recall to hold.
        """
        self.name, self.target = name, target
        self._place = BEAMS.index(FIRST_BEAM)
        self._samples: deque[Sample] = deque(maxlen=_KEPT)
        self._said: State = "unmeasured"
        self._lock = threading.Lock()

    @property
    def beam(self) -> int:
        """Return how many candidates a walk for DEPTH hits keeps on its way."""
        return BEAMS[self._place]

    def begin(self, beam: int) -> None:
        """Begin anew with one of BEAMS, and without a sample."""
        with self._lock:
            self._place = BEAMS.index(beam)
            self._samples.clear()

    @property
    def lacks(self) -> int:
        """Return how many samples are missing before anything can be said."""
        return max(0, _LEAST - len(self._samples))

    def add(self, samples: Sequence[Sample], bound_s: float) -> None:
        """Take samples, and choose the beam anew, of those whose walks take no longer than the bound."""
        with self._lock:
            self._samples.extend(samples)
            size = self._samples[-1].size
            kept = [one for one in self._samples if size <= _OUTGROWN * one.size and one.size <= _OUTGROWN * size]
            self._samples = deque(kept, maxlen=_KEPT)
            self._place = self._chosen(bound_s)
            self._say(bound_s)

    def report(self) -> Report:
        """Return what is known."""
        with self._lock:
            return self._report()

    def _report(self) -> Report:
        count = len(self._samples)
        if not count:
            return Report(self.target, "unmeasured", self.beam, 0, None, 0.0)
        means, errors = self._measured()
        mean, error = float(means[self._place]), float(errors[self._place])
        state: State = "unmeasured"
        if not self.lacks:
            state = "met" if mean >= self.target else "missed"
        return Report(self.target, state, self.beam, count, mean, error)

    def _measured(self) -> tuple[Floats, Floats]:
        """Return the mean recall with each beam, and its standard error."""
        found = np.array([one.found for one in self._samples])
        spread = np.maximum(found.std(axis=0), _SPREAD)
        return found.mean(axis=0), spread / np.sqrt(len(found))

    def _chosen(self, bound_s: float) -> int:
        """Return the place of the beam to walk with from now on."""
        if self.lacks:
            return self._place
        means, errors = self._measured()
        widest = self._widest(bound_s)
        enough = [place for place in range(widest + 1) if means[place] >= self.target]
        if self._place > widest:
            return next(iter(enough), widest)
        if means[self._place] < self.target:
            return next((place for place in enough if place > self._place), widest)
        sure = [place for place in enough if means[place] - _SURE * errors[place] >= self.target]
        narrow = len(self._samples) >= _LEAST_TO_NARROW and sure and sure[0] < self._place
        return sure[0] if narrow else self._place

    def _widest(self, bound_s: float) -> int:
        """Return the place of the widest beam that takes no longer than is allowed, by the median."""
        took_s = np.array([one.took_s for one in self._samples])
        for place, column in enumerate(took_s.T):
            timed = column[~np.isnan(column)]
            if len(timed) >= _LEAST_TIMED and np.median(timed) > bound_s:
                return max(0, place - 1)
        return len(BEAMS) - 1

    def _say(self, bound_s: float) -> None:
        """Log where the target begins to be missed, or is met again."""
        now = self._report()
        if now.state == self._said or now.mean is None:
            return
        if now.state == "missed":
            limit = f"takes no more than {1000 * bound_s:g} ms; raise --walk-ms, or lower the target"
            if now.beam == BEAMS[-1]:
                limit = "there is; lower the target"
            logger.warning(
                "collection %s: recall@%d is %.3f over %d searches, below its target of %g, with the widest beam"
                " that %s",
                *(self.name, DEPTH, now.mean, now.samples, self.target, limit),
            )
        elif now.state == "met":
            logger.info(
                "collection %s: recall@%d is %.3f over %d searches with a beam of %d; its target is %g",
                *(self.name, DEPTH, now.mean, now.samples, now.beam, self.target),
            )
        self._said = now.state
