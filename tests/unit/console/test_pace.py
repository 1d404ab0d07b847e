"""The rate of a job holds: what was done already does not make the rest look quick, nor a pause slow."""

import pytest

from shortlist.console.pace import Pace


def test_what_was_there_makes_nothing_quick():
    """After 5,000 documents in a second that were there already, the rate is that of the others, at once."""
    pace = Pace(0.0)
    for place in range(1, 11):
        pace.add(place / 10, 500 * place, 500 * place)
    assert pace.recent == pytest.approx(5000)  # nothing else is known
    for place in range(1, 41):
        pace.add(1 + place, 5000 + 10 * place, 5000)
        assert pace.recent == pytest.approx(10)
    assert pace.mean == pytest.approx(10)


def test_what_was_there_in_between_is_left_out():
    """Stretches of nothing but documents that were there already change no rate, however long they take."""
    pace = Pace(0.0)
    now, done, unchanged = 0.0, 0, 0
    for _ in range(5):
        for _ in range(10):
            now, done = now + 1, done + 7
            pace.add(now, done, unchanged)
        for _ in range(10):
            now, done, unchanged = now + 1, done + 1000, unchanged + 1000
            pace.add(now, done, unchanged)
    assert pace.mean == pytest.approx(7)
    assert pace.recent == pytest.approx(7)


@pytest.mark.parametrize("unchanged_first", [True, False])
def test_answers_come_in_bursts(unchanged_first: bool):
    """The time of a batch is that before its answers, also where the first is of a document that was there."""
    pace = Pace(0.0)
    done = unchanged = 0
    for batch in range(1, 21):
        for place in range(10):
            done += 1
            unchanged += (place == 0) == unchanged_first
            pace.add(5.0 * batch + place / 1000, done, unchanged)
    expected = (9 if unchanged_first else 1) / 5
    assert pace.mean == pytest.approx(expected, rel=0.01)
    assert pace.recent == pytest.approx(expected, rel=0.01)


def test_the_recent_rate_follows():
    """A job that becomes slower looks slower after seconds, and the mean tells both."""
    pace = Pace(0.0)
    for second in range(1, 101):
        pace.add(float(second), 100 * second, 0)
    for second in range(1, 26):
        pace.add(100.0 + second, 10_000 + second, 0)
    assert pace.recent == pytest.approx(1)
    assert pace.mean == pytest.approx(10_025 / 125)


def test_nothing_at_all():
    """A job of which nothing is done has no rate."""
    assert (Pace(1.0).recent, Pace(1.0).mean) == (0.0, 0.0)
