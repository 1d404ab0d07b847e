"""One slot of the scheduler, a thread that makes runs: what it is at, and what all of them are at with their queue.

The scheduler's lock guards what changes.
"""

from dataclasses import dataclass

from .lanes import JobSlice, Shape

COST_RATIOS = (0.25, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class SlotState:
    """What a slot is at, at one moment."""

    name: str
    alive: bool
    turns: int  # that ended, with or without an error
    run_s: float | None  # how long the present run has taken so far; None: there is none
    expected_s: float  # what the present run was expected to take


@dataclass(frozen=True, slots=True)
class Activity:
    """What all slots are at, at one moment."""

    waiting: bool  # whether there is work that no slot has taken
    failures: int  # runs that failed since the last one that did not
    slots: tuple[SlotState, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The scheduler's state at one moment, and what it did so far."""

    waiting_jobs: tuple[int, ...]  # by lane; with an item that could run
    waiting_tokens: int
    lane_tokens: tuple[int, ...]  # of these, by lane
    running: int  # slots that run something
    runs: tuple[int, ...]  # by lane, since the start
    tokens: tuple[int, ...]  # that were run, by lane
    padded_tokens: tuple[int, ...]  # the same with what was added to make shapes
    busy_s: float  # of all slots together
    expected_s: float  # what that was expected to be
    cost_ratios: tuple[int, ...]  # runs by expected over real seconds: up to each of COST_RATIOS, and above
    cost_ratio_sum: float


@dataclass(slots=True)
class Slot:
    """A slot's present turn, and what it keeps from the last one."""

    parts: tuple[JobSlice, ...] = ()  # that were chosen to run
    began_s: float | None = None  # when their run began
    expected_s: float = 0.0
    turns: int = 0
    last: Shape | None = None  # what ran last

    def begin(self, now: float, expected_s: float) -> None:
        """Begin the run of what was chosen."""
        job = self.parts[0].job
        self.began_s, self.expected_s = now, expected_s
        self.last = Shape(job.model, job.lengths[self.parts[0].indices[0]])

    def end(self, now: float) -> float:
        """End the turn, and return the seconds that its run took."""
        took_s = 0.0 if self.began_s is None else now - self.began_s
        self.parts, self.began_s, self.expected_s = (), None, 0.0
        self.turns += 1
        return took_s

    def state(self, name: str, *, alive: bool, now: float) -> SlotState:
        """Return what the slot is at now."""
        run_s = None if self.began_s is None else now - self.began_s
        return SlotState(name, alive, self.turns, run_s, self.expected_s)
