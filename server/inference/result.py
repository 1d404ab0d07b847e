"""What came of a job: the one type from the scheduler's slots to the pipeline's answers."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import DeadlineExceeded

Degraded = Literal["none", "deadline", "inference-failed"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Where the time of a job went, in seconds; jobs that follow each other add up."""

    tokenize_s: float = 0.0  # until the first items were there; the rest is tokenized while these wait and run
    queue_s: float = 0.0  # from then until the first run began
    infer_s: float = 0.0  # from then until the last run ended, or the deadline came

    def __add__(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(self.tokenize_s + other.tokenize_s, self.queue_s + other.queue_s, self.infer_s + other.infer_s)


@dataclass(frozen=True, slots=True)
class Result:
    """The values of some items: vectors of texts or of their tokens, logits of pairs, MaxSim."""

    # float32 [items, width]; of token vectors object [items], float32 [vectors, width] each. What is not done is
    # zeros, or no vector.
    values: NDArray[Any]
    done: NDArray[np.bool_]  # bool [items]
    tokens: NDArray[np.int32]  # int32 [items]: in the window; 0 of those that were not tokenized in time
    truncated: NDArray[np.bool_]  # bool [items]: longer than the window
    failed: int = 0  # items that the model could not run
    spent: Spent = field(default_factory=Spent)  # of one caller; several may wait for a job

    @classmethod
    def empty(cls, items: int, width: int) -> "Result":
        """Return what is known of items of which none was run."""
        return cls.of(np.zeros((items, width), np.float32))

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Result":
        """Return the same, with an array that holds what such items have for values."""
        items = len(values)
        return cls(values, np.zeros(items, np.bool_), np.zeros(items, np.int32), np.zeros(items, np.bool_))

    @property
    def logits(self) -> NDArray[np.float32]:
        """Return the values of items that have one each: float32 [items]."""
        logits: NDArray[np.float32] = self.values[:, 0]
        return logits

    @property
    def degraded(self) -> Degraded:
        """Return why items are not done, if some are not."""
        missing = len(self.done) - int(self.done.sum())
        if missing > self.failed:
            return "deadline"
        return "inference-failed" if missing else "none"


def check_whole(result: Result) -> None:
    """Refuse to go on without the values of all items.

    Raises:
        DeadlineExceeded: some are missing.
    """
    if not result.done.all():
        raise DeadlineExceeded(
            f"{result.done.sum()} of {len(result.done)} texts were done at the deadline;"
            " allow more time, or send less at once"
        )
