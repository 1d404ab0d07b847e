"""How the beam of a collection is chosen, by samples that are made up: what each beam finds, and its time."""

import itertools
import logging
from collections.abc import Sequence

import numpy as np
import pytest

from shortlist.server.storage.recall import BEAMS, FIRST_BEAM, Recall, Sample

FIRST = BEAMS.index(FIRST_BEAM)
LONG_S = 1e9


def samples(count: int, found: Sequence[float], took_s: Sequence[float] = (), size: int = 100_000) -> list[Sample]:
    """Return equal samples; the last share is that of all wider beams, and what took no time was not walked with."""
    shares = np.array([*found, *[found[-1]] * len(BEAMS)][: len(BEAMS)])
    times = np.array([*took_s, *[np.nan] * len(BEAMS)][: len(BEAMS)])
    return [Sample(shares, times, size)] * count


def reaching(target: float, place: int) -> list[float]:
    """Return what beams find where this one is the narrowest that finds so much."""
    return [0.9] * place + [target]


@pytest.mark.parametrize("place", range(FIRST + 1, len(BEAMS)))
def test_the_beam_widens_to_the_first_that_is_enough(place: int):
    """In one step, and not further."""
    held = Recall("c", 0.99)
    held.add(samples(16, reaching(0.995, place)), LONG_S)
    assert held.beam == BEAMS[place]
    assert held.report().state == "met"


def test_a_few_samples_decide_nothing():
    """Fifteen leave the beam and the state as they are; the mean is told all the same."""
    held = Recall("c", 0.99)
    held.add(samples(15, [0.5]), LONG_S)
    told = held.report()
    assert (told.state, told.beam, told.samples, told.mean) == ("unmeasured", FIRST_BEAM, 15, 0.5)
    assert held.lacks == 1


def test_it_narrows_only_where_that_is_sure():
    """A hundred samples are needed, and two standard errors above the target: then it is the narrowest such beam."""
    held = Recall("c", 0.99)
    held.add(samples(99, [0.97, 0.993, 0.999]), LONG_S)
    assert held.beam == FIRST_BEAM
    held.add(samples(1, [0.97, 0.993, 0.999]), LONG_S)
    assert held.beam == BEAMS[2]  # 0.993 is within two errors of 0.02 / sqrt(100)
    held.add(samples(156, [0.97, 0.993, 0.999]), LONG_S)
    assert held.beam == BEAMS[1]  # by now the error is 0.02 / sqrt(256)


def test_it_does_not_go_to_and_fro():
    """Over 4,000 noisy searches whose beams are near the target the beam changes a few times, not at each batch."""
    rng, held, beams = np.random.default_rng(1), Recall("c", 0.99), []
    means = np.minimum(1, 0.97 + 0.006 * np.arange(len(BEAMS)))
    for _ in range(125):
        batch = 1 - np.minimum(1, rng.exponential(1 - means, (32, len(BEAMS))))
        held.add([Sample(np.sort(one), np.full(len(BEAMS), np.nan), 100_000) for one in batch], LONG_S)
        beams.append(held.beam)
    assert sum(one != other for one, other in itertools.pairwise(beams)) <= 12


def test_no_wider_than_time_allows(caplog: pytest.LogCaptureFixture):
    """The widest beam within the bound is taken, the target is missed, and one line of the log says so."""
    held = Recall("notes", 0.99)
    took_s = [0.001 * 1.5**place for place in range(len(BEAMS))]
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            held.add(samples(16, reaching(0.995, FIRST + 4), took_s), bound_s=took_s[FIRST + 1] + 1e-6)
    assert (held.beam, held.report().state) == (BEAMS[FIRST + 1], "missed")
    (record,) = caplog.records
    assert record.getMessage() == (
        "collection notes: recall@50 is 0.900 over 16 searches, below its target of 0.99, with the widest beam that"
        f" takes no more than {1000 * (took_s[FIRST + 1] + 1e-6):g} ms; raise --walk-ms, or lower the target"
    )
    with caplog.at_level(logging.INFO):
        held.add(samples(256, reaching(0.995, FIRST + 4), took_s), LONG_S)
    assert (held.beam, held.report().state) == (BEAMS[FIRST + 4], "met")
    assert "recall@50 is 0.995 over 256 searches with a beam of" in caplog.records[-1].getMessage()


def test_no_wider_than_there_is(caplog: pytest.LogCaptureFixture):
    """Where the widest beam of all is not enough, more time would not help, and is not advised."""
    held = Recall("notes", 1.0)
    held.add(samples(16, [0.9]), LONG_S)
    assert (held.beam, held.report().state) == (BEAMS[-1], "missed")
    assert caplog.records[-1].getMessage().endswith("with the widest beam that there is; lower the target")


def test_a_beam_that_became_too_slow_is_given_up():
    """Where the beam in use takes longer than is allowed, the widest that does not is taken, or a narrower one."""
    held = Recall("c", 0.99)
    took_s = [0.001 * 2**place for place in range(len(BEAMS))]
    held.add(samples(16, reaching(0.995, 1), took_s), bound_s=0.003)
    assert held.beam == BEAMS[1]
    held.add(samples(256, reaching(0.995, 3), took_s), bound_s=0.0015)
    assert (held.beam, held.report().state) == (BEAMS[0], "missed")


def test_a_few_slow_walks_are_no_measure():
    """A walk that lost its core once does not bound the beam."""
    held = Recall("c", 0.99)
    slow = samples(3, reaching(0.995, FIRST + 2), [9.0] * len(BEAMS))
    held.add([*slow, *samples(13, reaching(0.995, FIRST + 2))], bound_s=0.01)
    assert held.beam == BEAMS[FIRST + 2]


@pytest.mark.parametrize(("size", "left"), [(100_000, 20), (200_000, 20), (200_001, 4), (49_999, 4)])
def test_samples_of_another_size_are_forgotten(size: int, left: int):
    """A collection that is more than twice as large, or less than half, is measured anew."""
    held = Recall("c", 0.99)
    held.add(samples(16, [0.99]), LONG_S)
    held.add(samples(4, [0.99], size=size), LONG_S)
    assert held.report().samples == left
    assert held.lacks == max(0, 16 - left)


def test_the_running_recall_is_of_the_last_searches():
    """256 are kept, and the mean and its error are theirs."""
    held = Recall("c", 0.99)
    held.add(samples(256, [0.9]), bound_s=0.0)
    held.add(samples(128, [1.0]), bound_s=0.0)
    told = held.report()
    assert (told.samples, told.mean) == (256, pytest.approx(0.95))
    assert told.error == pytest.approx(0.05 / 16)
