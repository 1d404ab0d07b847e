"""Fixtures of the scheduler and what stands above it."""

from collections.abc import Iterator

import pytest

from gated_model import Clock, Gate
from shortlist.server.inference.scheduler import Scheduler


@pytest.fixture
def gate() -> Gate:
    """Return a model that is shut."""
    return Gate()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at 0."""
    return Clock()


@pytest.fixture
def scheduler(gate: Gate, clock: Clock) -> Iterator[Scheduler]:
    """Return a scheduler with one slot and room for 100 tokens."""
    made = Scheduler(slots=1, queue_tokens=100, clock=clock)
    yield made
    gate.open(1000)
    made.stop()
