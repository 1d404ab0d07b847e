"""The cost model that admission, deadlines and mode auto rest on."""

import pytest

from shortlist.server.runtime.cost import Cost


def test_knows_nothing_at_first():
    """Without a run there is no estimate: 0."""
    assert Cost().estimate_s([10, 100]) == 0


def test_estimates_what_it_saw():
    """A length that was run costs what the run took, a token."""
    cost = Cost()
    cost.observe(tokens=100, items=1, seconds=0.010)
    assert cost.estimate_s([100, 50 + 50]) == pytest.approx(0.020)


def test_the_nearest_length_stands_in():
    """A length that was never run costs, a token, what the nearest known length does."""
    cost = Cost()
    cost.observe(tokens=16, items=1, seconds=0.0016)
    cost.observe(tokens=512, items=1, seconds=0.1024)
    assert cost.estimate_s([8]) == pytest.approx(0.0008)
    assert cost.estimate_s([1000]) == pytest.approx(0.2)


def test_recent_runs_count_more():
    """After a lasting change of speed the estimate follows it."""
    cost = Cost()
    cost.observe(tokens=100, items=1, seconds=0.010)
    for _ in range(60):
        cost.observe(tokens=100, items=1, seconds=0.030)
    assert cost.estimate_s([100]) == pytest.approx(0.030, rel=0.01)


def test_a_stacked_run_counts_by_its_mean_length():
    """A run of several items teaches the cost of their mean length."""
    cost = Cost()
    cost.observe(tokens=4 * 30, items=4, seconds=0.012)
    assert cost.estimate_s([30]) == pytest.approx(0.003)
