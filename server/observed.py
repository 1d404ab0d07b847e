"""A call under way, as it is seen: whose it is, and the stages that its time goes to.

What does the work tells `stage` and `note`, and knows nothing of who looks. `observing/` begins and ends calls, and
makes numbers, log lines and spans of them. The call is in a context variable, so it is there in every task and thread
that works for it; where there is none, as in the server's own work, nothing is kept. Times are monotonic.
"""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Fact: TypeAlias = str | int | float

_MOST_STAGES = 128  # that are kept one by one: a stream has any number of them


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a call's time."""

    name: str
    began_s: float
    ended_s: float
    facts: Mapping[str, Fact]

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return max(0.0, self.ended_s - self.began_s)


def _unheard(_: Stage) -> None:
    """Take a stage of a call that nobody looks at."""


@dataclass(slots=True)
class ObservedCall:
    """A call from its first moment to its end."""

    face: str  # grpc or http
    method: str  # as the numbers have it: Search, POST /v1/rerank
    request_id: str
    streams: bool = False  # it takes as long as its caller likes
    heard: Callable[[Stage], None] = _unheard  # takes each stage as it ends
    collection: str = ""  # that it is about; callers choose it, so it may be any text
    key: str = ""  # the name of the key that it came with; server/access/ sets it
    status: str = ""  # how it ended, as gRPC names it
    waits: bool = False  # it was asked to wait for something, so its time says nothing
    facts: dict[str, Fact] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)  # the first ones
    spent: dict[str, float] = field(default_factory=dict)  # seconds by the name of the stage, of all
    span: Any = None  # of OpenTelemetry, where there are traces
    trace_id: str = ""  # of the trace that it is in, where that is kept
    began_s: float = field(default_factory=time.monotonic)
    ended_s: float | None = None

    def add(self, stage: Stage) -> None:
        """Keep a stage; what goes on behind a call's back when it has ended is none of it."""
        if self.ended_s is not None:
            return
        self.spent[stage.name] = self.spent.get(stage.name, 0.0) + stage.seconds
        if len(self.stages) < _MOST_STAGES:
            self.stages.append(stage)
        self.heard(stage)

    def seconds(self) -> float:
        """Return how long it took, or has taken so far."""
        return (time.monotonic() if self.ended_s is None else self.ended_s) - self.began_s


_current: ContextVar[ObservedCall | None] = ContextVar("observed_call", default=None)


def begin(call: ObservedCall) -> None:
    """Let a call be the one that is under way in this task, and in all that it starts."""
    _current.set(call)


def current() -> ObservedCall | None:
    """Return the call under way."""
    return _current.get()


def request_id() -> str:
    """Return the id of the call under way; empty where there is none."""
    call = _current.get()
    return call.request_id if call else ""


def stage(name: str, began_s: float, **facts: Fact) -> None:
    """Tell that a stage of the call under way ends now."""
    if call := _current.get():
        call.add(Stage(name, began_s, time.monotonic(), facts))


def add(found: Stage) -> None:
    """Tell a stage of the call under way that has ended before."""
    if call := _current.get():
        call.add(found)


def note(**facts: Fact) -> None:
    """Tell what came of the call under way."""
    if call := _current.get():
        call.facts.update(facts)


def collection(name: str) -> None:
    """Tell which collection the call under way is about; of several the first."""
    if call := _current.get():
        call.collection = call.collection or name


def waits() -> None:
    """Tell that the call under way was asked to wait, so that it is not taken for a slow one."""
    if call := _current.get():
        call.waits = True
