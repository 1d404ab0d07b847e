"""What measurements come to, without measuring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.tune.machine import CANDIDATES, fitting, rate


@pytest.mark.parametrize(("took_s", "candidates"), [(0.1, CANDIDATES), (1.0, CANDIDATES), (2.0, 25), (1000.0, 8)])
def test_slow_searches_get_fewer_candidates(took_s: float, candidates: int):
    """A search takes about a second at most, as long as that leaves a few candidates."""
    assert fitting(took_s) == candidates


@given(st.integers(1, 64), st.floats(0.001, 1), st.lists(st.integers(1, 50), min_size=1, max_size=64))
def test_the_last_runs_do_not_lower_the_rate(stack: int, run_s: float, runs: list[int]):
    """Slots that end at different times count by the runs they did: the rate is that of all slots at work."""
    pairs = stack * sum(runs)
    assert rate(pairs, len(runs), [run_s * each for each in runs]) == pytest.approx(len(runs) * stack / run_s)


def test_a_slot_that_never_ran_was_idle():
    """One slot of two that does all the work makes no more than its own rate."""
    assert rate(100, 2, [10.0]) == pytest.approx(10)
    assert rate(100, 1, [10.0]) == pytest.approx(10)
