"""What came of a job: the one type from the scheduler's slots to the pipeline's answers."""

from dataclasses import dataclass, field
from typing import Literal

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
    """The values of some items: vectors of texts, or logits of pairs."""

    values: NDArray[np.float32]  # float32 [items, width]; rows that are not done hold zeros
    done: NDArray[np.bool_]  # bool [items]
    tokens: NDArray[np.int32]  # int32 [items]: in the window; 0 of those that were not tokenized in time
    truncated: NDArray[np.bool_]  # bool [items]: longer than the window
    failed: int = 0  # items that the model could not run
    spent: Spent = field(default_factory=Spent)  # of one caller; several may wait for a job

    @classmethod
    def empty(cls, items: int, width: int) -> "Result":
        """Return what is known of items of which none was run."""
        return cls(
            np.zeros((items, width), np.float32),
            np.zeros(items, np.bool_),
            np.zeros(items, np.int32),
            np.zeros(items, np.bool_),
        )

    @property
    def logits(self) -> NDArray[np.float32]:
        """Return the values of pairs: float32 [items]."""
        return self.values[:, 0]

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
