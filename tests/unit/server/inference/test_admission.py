"""What is let in at the door: work that will be whole with time to spare, or that loses little by waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.errors import DeadlineExceeded, Overloaded
from shortlist.server.inference import admission

SHARE = 0.8
seconds = st.floats(0, 100)


def admitted(waits_s: float, takes_s: float, left_s: float, *, whole: bool = False) -> bool:
    """Return whether a job is let in, as far as the queue is concerned."""
    try:
        admission.check(waits_s, takes_s, left_s, SHARE, whole=whole)
    except Overloaded:
        return False
    return True


@given(takes_s=seconds, left_s=st.floats(-100, 100))
def test_an_idle_server_lets_in_what_may_be_cut_short(takes_s: float, left_s: float):
    """Where nothing waits, a job that may be answered in part is let in, however short its deadline."""
    assert admitted(0.0, takes_s, left_s)


@given(waits_s=seconds, takes_s=seconds, left_s=st.floats(0.01, 100))
def test_what_is_let_in_gets_its_share(waits_s: float, takes_s: float, left_s: float):
    """Of what an idle server would do of a job before its deadline, at least the share is expected to be done."""
    if admitted(waits_s, takes_s, left_s):
        idle_s, busy_s = min(takes_s, left_s), min(takes_s, left_s - waits_s)
        assert busy_s >= SHARE * idle_s - 1e-9


@given(waits_s=seconds, takes_s=seconds, left_s=st.floats(0.01, 100))
def test_what_must_be_whole_is_expected_to_be(waits_s: float, takes_s: float, left_s: float):
    """A job of which a part is worth nothing is let in only if all of it is expected to be done in time."""
    try:
        admission.check(waits_s, takes_s, left_s, SHARE, whole=True)
    except (Overloaded, DeadlineExceeded):
        return
    assert waits_s + takes_s <= left_s + 1e-9


def test_a_queue_is_never_filled_up_to_the_deadline():
    """Small jobs are refused once what waits takes the share of their time: estimates may be off by the rest."""
    assert admitted(7.9, 0.1, 10.0)
    assert not admitted(8.0, 0.1, 10.0)


def test_the_queue_and_the_job_are_told_apart():
    """What an idle server could not do whole is the caller's to mend; what waits before it passes."""
    with pytest.raises(DeadlineExceeded, match="this takes about 3000 ms, but 2000 ms are left; allow more time"):
        admission.check(0.0, 3.0, 2.0, SHARE, whole=True)
    with pytest.raises(Overloaded, match="busy for 2000 ms, this takes about 500 ms more, and 2000 ms are left"):
        admission.check(2.0, 0.5, 2.0, SHARE, whole=True)


def test_the_hint_is_when_it_would_be_let_in():
    """A refused job is told to come back when enough of what waits is done: here after 3 to 6 seconds."""
    with pytest.raises(Overloaded) as refused:
        admission.check(10.9, 0.1, 10.0, SHARE, whole=False)
    assert 3000 <= refused.value.retry_after_ms <= 6000
