"""When the work for a call must be done."""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import grpc

# Many calls that are cut short at one moment are answered one after another; longer deadlines have more of them.
_MARGIN_SHARE = 0.05

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # generic in its stubs alone


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The deadlines of calls, as times of the monotonic clock in seconds."""

    default_s: float  # of a call that brings none
    margin_s: float  # what answering takes, at least: work stops this much earlier

    def of(self, context: Context) -> float:
        """Return when the work for a call must be done."""
        return self.within(context.time_remaining())

    def within(self, remaining_s: float | None) -> float:
        """Return when the work for a call must be done whose caller waits so long, or does not say how long."""
        if remaining_s is None or math.isinf(remaining_s):
            remaining_s = self.default_s
        return time.monotonic() + remaining_s - max(self.margin_s, _MARGIN_SHARE * remaining_s)

    def of_stream(self, context: Context) -> float:
        """Return when the work for a stream must be done; infinity if it brings no deadline."""
        remaining_s = context.time_remaining()
        return math.inf if remaining_s is None or math.isinf(remaining_s) else self.of(context)
