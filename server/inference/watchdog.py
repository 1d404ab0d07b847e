"""Whether the slots work: a look at them every second, and an alarm if none does.

A slot works while its turns end, or while there is nothing to do. It is at fault if its thread has ended, if one run
takes far longer than expected, or if work waits and it takes none. All are at fault if one run after the other fails
and a run that is known to be good fails too, as after an error of a GPU that only a new process mends. A fault of
some slots is logged and counted. If all are at fault, the scheduler refuses new work and the server's health is
NOT_SERVING, until a slot ends a turn, or the good run succeeds.

Time is counted from look to look, and a long pause between two of them counts as a short one: a machine that slept,
or a container that was stopped, is not stuck. Runs on the event loop. Knows no gRPC.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .scheduler import Scheduler
from .slot import SlotState

logger = logging.getLogger(__name__)

_EVERY_S = 1.0
_LONGEST_PAUSE_S = 2 * _EVERY_S
# A run may take this many times what was expected, since the machine may do other work, and this long in any case.
_TIMES_EXPECTED = 20.0
_LEAST_S = 30.0
_FAILURES = 3  # in a row, before a good run is tried: a bad input fails alone
_LISTED = 3  # faults in a message


@dataclass(slots=True)
class _Seen:
    """What the last looks at a slot saw."""

    turns: int = 0
    still_s: float = 0.0  # since its turns last grew, or it last had nothing to do


class Watchdog:
    """A look at the slots of one scheduler, again and again."""

    def __init__(self, scheduler: Scheduler, probe: Callable[[], Awaitable[None]]) -> None:
        """Begin with slots that work.

        Args:
            scheduler: whose slots to look at.
            probe: makes a run that is known to be good; raises where it fails.
        """
        self._scheduler = scheduler
        self._probe = probe
        self._probing: asyncio.Future[None] | None = None
        self._looked_s = scheduler.clock()
        self._seen = [_Seen() for _ in range(scheduler.slots)]
        self.faults: tuple[str, ...] = ()  # what is wrong with slots, one a slot
        self.reason = ""  # why no slot works

    async def check(self) -> None:
        """Look once: set `faults` and `reason`."""
        now = self._scheduler.clock()
        passed_s, self._looked_s = min(now - self._looked_s, _LONGEST_PAUSE_S), now
        activity = self._scheduler.activity()
        failing = activity.failures >= _FAILURES and not await self._probed()
        found = [
            _fault(state, seen, passed_s, waiting=activity.waiting, failing=failing)
            for state, seen in zip(activity.slots, self._seen, strict=True)
        ]
        self.faults = tuple(fault for fault in found if fault)
        self.reason = self._summary() if all(found) else ""

    async def watch(self, tell: Callable[[str], Awaitable[None]]) -> None:
        """Look every second until cancelled, and act on what changes.

        Args:
            tell: takes why no slot works, or an empty text, each time that one becomes the other.
        """
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self._look(tell)
            except Exception:
                logger.exception("the slots could not be looked at")

    async def _look(self, tell: Callable[[str], Awaitable[None]]) -> None:
        faults, reason = len(self.faults), self.reason
        await self.check()
        if len(self.faults) > faults:
            logger.error("%d of %d slots do not work: %s", *self._counts(), self._summary())
        elif len(self.faults) < faults:
            logger.warning("slots work again: %d of %d do not", *self._counts())
        if bool(self.reason) != bool(reason):
            self._scheduler.refuse(self.reason)
            await tell(self.reason)

    def _summary(self) -> str:
        """Return the first faults: a message of gRPC's has 8 KB at most."""
        more = len(self.faults) - _LISTED
        return "; ".join([*self.faults[:_LISTED], *([f"and so on of {more} more"] if more > 0 else [])])

    def _counts(self) -> tuple[int, int]:
        return len(self.faults), self._scheduler.slots

    async def _probed(self) -> bool:
        """Return whether a good run succeeds; one at a time, since a run that hangs keeps its thread."""
        self._probing = self._probing or asyncio.ensure_future(self._probe())
        await asyncio.wait([self._probing], timeout=_LEAST_S)
        if not self._probing.done():
            return False
        ended, self._probing = self._probing, None
        return ended.exception() is None


def _fault(state: SlotState, seen: _Seen, passed_s: float, *, waiting: bool, failing: bool) -> str:
    """Return what is wrong with a slot, if something is, and remember what was seen of it."""
    idle = state.run_s is None and not waiting
    seen.still_s = 0.0 if idle or state.turns != seen.turns else seen.still_s + passed_s
    seen.turns = state.turns
    if not state.alive:
        return f"{state.name} has ended"
    if failing:
        return f"every run of {state.name} fails, and the server's log has the cause"
    if seen.still_s <= max(_LEAST_S, _TIMES_EXPECTED * state.expected_s):
        return ""
    if state.run_s is None:
        return f"{state.name} has taken none of the waiting work for {seen.still_s:.0f} s"
    expected = f"which was expected to take {state.expected_s:.3g} s"
    return f"{state.name} has been in one run for {state.run_s:.0f} s, {expected}"
