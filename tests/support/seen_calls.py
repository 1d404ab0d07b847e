"""Calls that ended, in place of a server's numbers."""

import asyncio
from dataclasses import dataclass, field

from shortlist.server.observed import ObservedCall, Stage
from shortlist.server.observing.calls import Calls


@dataclass
class Seen:
    """What the numbers were told: each call as it ended, and the stages of all."""

    calls: list[ObservedCall] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """Return method and status of each call, in order."""
        return [(call.method, call.status) for call in self.calls]

    def ended(self, call: ObservedCall) -> None:
        self.calls.append(call)
        self.came.set()

    def stage(self, stage: Stage) -> None:
        self.stages.append(stage)


def calls(seen: Seen | None = None, slow_s: float = 0.0) -> Calls:
    """Return calls that are seen."""
    return Calls(seen or Seen(), slow_s)
