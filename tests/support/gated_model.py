"""A model whose runs wait until a test lets them go, and jobs for it."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from shortlist.server.inference.lanes import Job, Lane
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded

WAIT_S = 20.0  # a bound for a broken test, never reached by a sound one


class Clock:
    """A clock that shows the time the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """A model whose runs wait until the test lets them go; an item's value is its length."""

    shapes = Shapes(512)
    width = 1

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.seen: list[int] = []

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return float(sum(lengths))

    def blank(self, items: int) -> np.ndarray:
        return np.zeros((items, 1), np.float32)

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        self.entered.release()
        assert self.go.acquire(timeout=WAIT_S)
        self.seen += [len(item) for item in items]
        if len(items[0]) == 13:
            raise RuntimeError("13 brings bad luck")
        return np.array([[len(item)] for item in items], dtype=np.float32)

    def open(self, runs: int) -> None:
        for _ in range(runs):
            self.go.release()

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=WAIT_S)


def items(*lengths: int) -> list[Encoded]:
    """Return items of these lengths."""
    return [Encoded(np.ones(length, np.int64), np.zeros(length, np.int64), False) for length in lengths]


def job(
    model: Gate, lengths: Sequence[int], lane: Lane = Lane.RERANK, deadline: float = 10_000.0, *, whole: bool = False
) -> Job:
    """Return a job of items of these lengths, none of which is there yet."""
    return Job(lane, model, lengths, deadline, whole=whole)


def submit(scheduler: Scheduler, model: Gate, lengths: Sequence[int], **options) -> Future:
    """Submit a job with all of its items."""
    made = job(model, lengths, **options)
    future = scheduler.submit(made)
    scheduler.feed(made, items(*lengths))
    return future
