"""Calls that are made again while the server is busy or away."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shortlist.client import errors

# What may help after a wait. A call that was cut off may be made again: documents have ids.
_PASSING = (errors.Overloaded, errors.Unavailable, errors.DeadlineExceeded)
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 15.0

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long calls are made again that failed for a reason that may pass."""

    seconds: float

    def call(self, call: Callable[[], _Result]) -> _Result:
        """Make a call, again and again for as long as it may help, and return what it returns."""
        give_up: float | None = None
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                return call()
            except _PASSING:
                now = time.monotonic()
                give_up = give_up or now + self.seconds
                if now >= give_up:
                    raise
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
