"""Measure a load until the windows hold still.

    warm-up | window | window | window ... until `stable`, or `max_windows` | drain

Requests go on throughout, and into the drain, which waits for those that were due in the windows; so no request is
left out for having been slow.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from . import samples
from .load import Load, Log, Prepare
from .samples import Window


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure."""

    warm_up_s: float = 3.0
    window_s: float = 5.0
    window_requests: int = 30  # a window goes on, up to ten times as long, until it has so many answers
    agreeing: int = 3  # so many windows in a row must agree
    tolerance: float = 0.1  # by this share, in throughput and median latency
    max_windows: int = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    phase: str
    requests: int  # that have ended
    outstanding: int


@dataclass(slots=True)
class Run:
    """A run of requests and what came of it; if it was interrupted, what there was until then."""

    log: Log = field(default_factory=Log)
    windows: list[Window] = field(default_factory=list)
    stable: bool = False
    interrupted: bool = False

    def counted(self, agreeing: int) -> list[Window]:
        """Return the windows that figures are taken over: those that agree, or all if none do."""
        return self.windows[-agreeing:] if self.stable else self.windows


_PROGRESS_EVERY_S = 0.5
_LONGEST_WINDOW = 10  # times window_s


async def measure(
    load: Load,
    prepare: Prepare,
    plan: Plan,
    *,
    watch: Callable[[Progress], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> Run:
    """Put on load and measure until the windows agree.

    Args:
        load: how requests follow each other.
        prepare: makes the next request.
        plan: how long.
        watch: called about twice a second.
        stop: set it to end early; what was measured by then is returned.

    Raises:
        ExceptionGroup: a request raised instead of returning a reply.
    """
    run, stopping = Run(), stop or asyncio.Event()
    driving = asyncio.create_task(load.drive(prepare, run.log))
    observing = asyncio.create_task(_Observer(run, load.paced, plan, watch).observe())
    stopped = asyncio.create_task(stopping.wait())
    tasks = (driving, observing, stopped)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if driving.done():  # it never ends of itself
            driving.result()
        if observing.done():
            observing.result()
        run.interrupted = not observing.done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return run


@dataclass(frozen=True, slots=True)
class _Observer:
    """The watcher of one run, window by window."""

    run: Run
    paced: bool
    plan: Plan
    watch: Callable[[Progress], None]

    async def observe(self) -> None:
        """Return when the windows agree, or at the last of them, and all that was due in them has ended."""
        run, plan = self.run, self.plan
        await self._wait(plan.warm_up_s, "warm-up")
        while len(run.windows) < plan.max_windows and not run.stable:
            await self._window(f"window {len(run.windows) + 1}")
            run.stable = samples.stable(run.windows, plan.agreeing, plan.tolerance, paced=self.paced)
        draining = asyncio.create_task(run.log.drained(run.windows[-1].end_s))
        try:
            while not draining.done():
                self._show("waiting for answers")
                await asyncio.wait({draining}, timeout=_PROGRESS_EVERY_S)
        finally:
            draining.cancel()

    async def _window(self, phase: str) -> None:
        now, log = asyncio.get_running_loop().time, self.run.log
        begin_s, before = now(), len(log.samples)
        try:
            for _ in range(_LONGEST_WINDOW):
                await self._wait(self.plan.window_s, phase)
                if len(log.samples) - before >= self.plan.window_requests:
                    break
        finally:  # what an interrupted run has of it counts too
            if (end_s := now()) > begin_s:
                # Samples are in the order of their ends.
                window = samples.window(log.samples[before:], begin_s, end_s, log.due(begin_s, end_s))
                self.run.windows.append(window)

    async def _wait(self, seconds: float, phase: str) -> None:
        now = asyncio.get_running_loop().time
        end_s = now() + seconds
        while (left_s := end_s - now()) > 0:
            self._show(phase)
            await asyncio.sleep(min(left_s, _PROGRESS_EVERY_S))

    def _show(self, phase: str) -> None:
        self.watch(Progress(phase, len(self.run.log.samples), self.run.log.outstanding))
