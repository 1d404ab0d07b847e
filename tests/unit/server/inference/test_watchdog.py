"""The watchdog: which slots it calls faulty, when it says that none works, and what follows from that."""

import asyncio
import logging
from dataclasses import dataclass, field, replace

import pytest

import fake_clock
from shortlist.server.inference.slot import Activity, SlotState
from shortlist.server.inference.watchdog import Watchdog

IDLE = SlotState("slot-0", alive=True, turns=7, run_s=None, expected_s=0.0)


@dataclass
class Slots:
    """Slots in the state that the test sets, in the event loop's time."""

    states: list[SlotState]
    waiting: bool = False
    failures: int = 0
    broken: bool = False  # whether a good run fails
    probes: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def slots(self) -> int:
        return len(self.states)

    def clock(self) -> float:
        return asyncio.get_running_loop().time()

    def activity(self) -> Activity:
        return Activity(self.waiting, self.failures, tuple(self.states))

    async def probe(self) -> None:
        self.probes += 1
        if self.broken:
            raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")

    def refuse(self, fault: str) -> None:
        self.refused.append(fault)


async def told_after(slots: Slots, *seconds: float) -> list[str]:
    """Let a watchdog look at slots for some time, in parts, and return what it told."""
    told: list[str] = []

    async def tell(fault: str) -> None:
        told.append(fault)

    watching = asyncio.create_task(Watchdog(slots, slots.probe).watch(tell))
    for part in seconds:
        await asyncio.sleep(part)
    watching.cancel()
    assert told == slots.refused
    return told


def running(expected_s: float = 0.01, run_s: float = 100.0, turns: int = 7, name: str = "slot-0") -> SlotState:
    """Return a slot that is in a run."""
    return SlotState(name, True, turns, run_s, expected_s)


@pytest.mark.parametrize(
    ("states", "waiting", "expected"),
    [
        ([IDLE], False, ""),
        ([replace(IDLE, alive=False)], False, "slot-0 has ended"),
        ([running()], False, "slot-0 has been in one run for 100 s, which was expected to take 0.01 s"),
        ([running(expected_s=5.0)], True, ""),  # 20 times 5 s are not over
        ([IDLE], True, "slot-0 has taken none of the waiting work for 31 s"),
        ([running(), running(expected_s=5.0)], True, ""),
        ([replace(IDLE, alive=False)] * 64, False, "slot-0 has ended; slot-0 has ended; and so on of 61 more"),
        (
            [running(), replace(IDLE, alive=False, name="slot-1")],
            True,
            "which was expected to take 0.01 s; slot-1 has ended",
        ),
    ],
)
def test_what_does_not_work(states: list[SlotState], waiting: bool, expected: str):
    """A slot that ended, is stuck in a run or takes nothing is named; only where all are, the server says so."""
    told = fake_clock.run(told_after(Slots(states, waiting), 40))
    assert len(told) == bool(expected)
    assert expected in "".join(told)


def test_a_short_while_is_none():
    """Half a minute in one run is no fault yet, however short it was expected to be."""
    assert fake_clock.run(told_after(Slots([running()], waiting=True), 29)) == []


def test_progress_is_none():
    """A slot whose turns end is at work, however much waits and whenever it is looked at."""

    async def busy() -> list[str]:
        slots = Slots([running()], waiting=True)
        looking = asyncio.create_task(told_after(slots, 200))
        for turns in range(20):
            slots.states = [running(turns=turns)]
            await asyncio.sleep(10)
        return await looking

    assert fake_clock.run(busy()) == []


def test_a_machine_that_slept():
    """A pause of an hour between two looks is counted as a short one: nothing was stuck."""

    async def slept() -> list[str]:
        slots = Slots([running()], waiting=True)
        told: list[str] = []
        now = {"s": 0.0}
        slots.clock = lambda: now["s"]  # type: ignore[method-assign]
        watchdog = Watchdog(slots, slots.probe)
        for pause_s in (1, 1, 3600, 1, 1):
            now["s"] += pause_s
            await watchdog.check()
            told.append(watchdog.reason)
        return told

    assert fake_clock.run(slept()) == [""] * 5


def test_recovery(caplog: pytest.LogCaptureFixture):
    """When a stuck run ends the server serves again; both are told once, and logged."""

    async def recovered() -> list[str]:
        slots = Slots([running()], waiting=True)
        looking = asyncio.create_task(told_after(slots, 300))
        await asyncio.sleep(100)
        slots.states = [replace(IDLE, turns=8)]
        slots.waiting = False
        return await looking

    caplog.set_level(logging.WARNING)
    stuck, works = fake_clock.run(recovered())
    assert "slot-0 has been in one run" in stuck
    assert works == ""
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_runs_that_all_fail():
    """Where one run after the other fails, and a good one too, none works; until the good one succeeds."""

    async def broken() -> list[str]:
        slots = Slots([IDLE], failures=3, broken=True)
        looking = asyncio.create_task(told_after(slots, 20))
        await asyncio.sleep(10)
        slots.broken = False
        return await looking

    assert fake_clock.run(broken()) == ["every run of slot-0 fails, and the server's log has the cause", ""]


@pytest.mark.parametrize(("failures", "probes"), [(2, 0), (1000, 39)])
def test_bad_inputs(failures: int, probes: int):
    """However many inputs fail, a server that makes a good run serves; a few failures are no reason to try one."""
    slots = Slots([IDLE], failures=failures)
    assert fake_clock.run(told_after(slots, 40)) == []
    assert slots.probes == probes


def test_a_good_run_that_hangs():
    """A good run that never ends counts as one that fails, and no second one is begun beside it."""

    async def hung() -> list[str]:
        slots = Slots([IDLE], failures=3)
        never, slots.probe = asyncio.Event(), lambda: slots_probe(slots, never)  # type: ignore[method-assign]
        told = await told_after(slots, 200)
        never.set()
        assert slots.probes == 1
        return told

    async def slots_probe(slots: Slots, never: asyncio.Event) -> None:
        slots.probes += 1
        await never.wait()

    assert fake_clock.run(hung()) == ["every run of slot-0 fails, and the server's log has the cause"]


def test_a_look_that_fails(caplog: pytest.LogCaptureFixture):
    """A look that raises is logged, and the next one follows."""

    async def failed() -> list[str]:
        slots = Slots([], waiting=True)  # too few
        looking = asyncio.create_task(told_after(slots, 10))
        await asyncio.sleep(0)
        slots.states = [IDLE]
        await asyncio.sleep(5)
        slots.states = []
        return await looking

    assert fake_clock.run(failed()) == []
    assert "could not be looked at" in caplog.text
