"""How fast graphs are, by a clock that stands still except where a run moves it."""

import math
from collections.abc import Sequence

import pytest

from shortlist.server.runtime import variant_timings


class Clock:
    """A clock that only runs move on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 0
        self.lengths: list[tuple[str, int]] = []
        monkeypatch.setattr(variant_timings.time, "perf_counter_ns", lambda: self.now_ns)

    def run(self, name: str, ns_per_token: Sequence[int]) -> variant_timings.Run:
        """Return a run that takes so long, the first time, the second time and so on, again and again."""
        calls = iter(range(1_000_000))

        def run(tokens: int) -> None:
            self.lengths.append((name, tokens))
            self.now_ns += tokens * ns_per_token[next(calls) % len(ns_per_token)]

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return a clock that stands still."""
    return Clock(monkeypatch)


@pytest.mark.parametrize(
    ("window", "lengths"),
    [
        (8, ["8"]),
        (15, ["15"]),
        (16, ["16"]),
        (48, ["16"]),
        (128, ["16", "64", "128"]),
        (512, ["16", "64", "128", "256"]),
    ],
)
def test_lengths_fit_the_window(clock: Clock, window: int, lengths: list[str]):
    """Every length up to the window is timed, and the window itself where it is shorter than them all."""
    assert list(variant_timings.measure({"fp32": clock.run("fp32", [5])}, window)["fp32"]) == lengths


def test_the_best_round_counts(clock: Clock):
    """Of several rounds the fastest is kept, by the token, whichever round it was."""
    runs = {"a": clock.run("a", [900, 70, 80, 75, 60, 90, 65, 85]), "b": clock.run("b", [900] + 6 * [50] + [40])}
    assert variant_timings.measure(runs, 16) == {"a": {"16": 60}, "b": {"16": 40}}


def test_the_first_run_of_a_shape_is_not_timed(clock: Clock):
    """What a first run pays once is no part of the figure, though it would be the best."""
    assert variant_timings.measure({"a": clock.run("a", [1, *[50] * 7])}, 64) == {"a": {"16": 50, "64": 50}}


def test_graphs_take_turns(clock: Clock):
    """Each round runs every graph once before any runs again, so that what else the machine does meets all alike."""
    runs = {name: clock.run(name, [5]) for name in ("a", "b", "c")}
    variant_timings.measure(runs, 64)
    names = [name for name, _ in clock.lengths]
    assert names == ["a", "b", "c"] * (len(names) // 3)
    tokens = [tokens for _, tokens in clock.lengths]
    assert tokens == sorted(tokens)


def test_typical_is_the_geometric_mean():
    """A ratio counts the same at each length: twice as fast here and twice as slow there is no difference."""
    assert variant_timings.typical({"16": 2.0, "64": 8.0}) == pytest.approx(4)
    assert variant_timings.typical({"16": 1.0, "64": 16.0}) == pytest.approx(
        variant_timings.typical({"16": 4.0, "64": 4.0})
    )
    assert variant_timings.typical({"16": 3.0}) == pytest.approx(3)


def test_typical_of_extremes_neither_overflows_nor_vanishes():
    """Many figures of any size have a mean between them."""
    found = variant_timings.typical({str(length): 1e300 if length % 2 else 1e-300 for length in range(100)})
    assert math.isclose(found, 1, rel_tol=1e-9)
