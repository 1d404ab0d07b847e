"""What tuning says of its figures."""

from dataclasses import replace

from shortlist.tune.app import disturbed, settle
from shortlist.tune.race import FINAL, Arrangement, Measured, Trial


def trial(slots: int, threads: int, batch_tokens: int, cores: float) -> Trial:
    """Return a trial that had so many cores."""
    return Trial(Arrangement("fp32", slots, threads, batch_tokens), FINAL, 4, Measured(100, 10, cores))


def test_a_quiet_machine_is_no_warning():
    """Slots that had nearly a core each say nothing, nor do threads that wait and stacks that end unevenly."""
    assert disturbed([trial(2, 1, 1, 1.95), trial(1, 1, 0, 0.97), trial(1, 2, 0, 1.1), trial(2, 1, 2048, 1.2)]) == ""


def test_other_work_is_a_warning():
    """Two slots that had one core between them are told, with the share and what to do."""
    warning = disturbed([trial(2, 1, 1, 1.0), trial(1, 1, 0, 0.99)])
    assert warning.startswith("in 1 of 2 arrangements a slot of one thread had 50% of a core: other work was in the")
    assert warning.endswith("tune again when the machine is quiet")


def test_what_could_not_run_had_no_core_to_miss():
    """A refused arrangement is no sign of other work."""
    assert disturbed([Trial(Arrangement("fp32", 2, 1, 0), FINAL, 1, None, "does not fit")]) == ""


def test_the_defaults_stay_where_their_cores_were_taken():
    """A gain over defaults that had one core of two in every round of the final is none, but on a GPU."""
    default = trial(2, 1, 1, 1.0)
    better = replace(trial(1, 1, 1024, 0.99), best=Measured(120, 9, 0.99))
    chosen, gain, warning = settle([better, default], default.arrangement, gpu=False)
    assert (chosen, gain > 1.1) == (default.arrangement, True)
    assert warning.startswith("in 1 of 1 arrangement ")
    assert settle([better, default], default.arrangement, gpu=True) == (better.arrangement, gain, "")


def test_a_gain_over_defaults_that_had_their_cores_counts():
    """Other work in a heat is told, and does not keep the final's winner from being chosen."""
    default, late = trial(2, 1, 1, 1.95), replace(trial(1, 1, 0, 0.5), stage="first heat")
    better = replace(trial(2, 1, 1024, 1.9), best=Measured(120, 9, 1.9))
    chosen, _, warning = settle([better, default, late], default.arrangement, gpu=False)
    assert chosen == better.arrangement
    assert warning.startswith("in 1 of 2 arrangements ")
