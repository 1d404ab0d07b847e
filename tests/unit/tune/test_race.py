"""The race: who is measured how often, who wins, and that luck in a heat is not enough."""

from collections import Counter
from collections.abc import Callable
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.errors import ProviderError
from shortlist.tune import race
from shortlist.tune.race import FINAL, MARGIN, Arrangement, Measured, Race, Trial

VARIANTS = ("a", "b", "c")
DIVISIONS = ((4, 1), (2, 2), (1, 4))
BUDGETS = (0, 256, 1024)
DEFAULT = Arrangement("b", 4, 1, 0)
EVERY = [Arrangement(one, *division, budget) for one in VARIANTS for division in DIVISIONS for budget in BUDGETS]
PLAIN = [one for one in EVERY if one.batch_tokens == 0]

speeds = st.lists(st.floats(10, 1000), min_size=len(EVERY), max_size=len(EVERY), unique=True).map(
    lambda found: dict(zip(EVERY, found, strict=True))
)


def silent(_: str) -> None:
    """Take progress that nobody reads."""


def ran(measure: Callable[[Arrangement], Measured]) -> Race:
    """Run a race of all arrangements."""
    found = Race(DEFAULT, measure, silent)
    found.run(dict.fromkeys(VARIANTS, BUDGETS), DIVISIONS)
    return found


def chosen(found: Race) -> tuple[Arrangement, float]:
    """Return what a race comes to."""
    return race.choose([one for one in found.trials.values() if one.stage == FINAL], DEFAULT)


@given(speeds)
def test_the_best_wins_on_a_machine_without_noise(speed: dict[Arrangement, float]):
    """What wins is the best of all plain arrangements and of the two leaders' stacks, or the defaults within 3%."""
    found = ran(lambda one: Measured(speed[one], 1000 / speed[one]))
    leaders = sorted(PLAIN, key=lambda one: -speed[one])[:2]
    stacks = [one for one in EVERY for leader in leaders if one.variant == leader.variant and alike(one, leader)]
    best = max(speed[one] for one in (*PLAIN, *stacks))
    winner, gain = chosen(found)
    assert gain == pytest.approx(best / speed[DEFAULT])
    assert speed[winner] == (best if gain >= 1 + MARGIN else speed[DEFAULT])


def alike(one: Arrangement, other: Arrangement) -> bool:
    """Return whether two arrangements have the same slots and threads."""
    return (one.slots, one.threads) == (other.slots, other.threads)


@given(speeds)
def test_everyone_in_the_final_is_measured_alike(speed: dict[Arrangement, float]):
    """The final has the defaults and at most two others, each with as many rounds; every plain one was tried."""
    calls: Counter[Arrangement] = Counter()

    def measure(one: Arrangement) -> Measured:
        calls[one] += 1
        return Measured(speed[one], 10)

    found = ran(measure)
    final = [one for one in found.trials.values() if one.stage == FINAL]
    assert DEFAULT in {one.arrangement for one in final}
    assert len(final) <= 3
    assert {one.rounds for one in final} == {4}
    assert calls.keys() >= set(PLAIN)
    assert calls.keys() == found.trials.keys()
    # Each heat: all of them, then half of them.
    assert calls.total() <= (9 + 5) + (6 + 3) + 4 * 3


def test_luck_in_a_heat_is_measured_again():
    """An arrangement whose first measurement was ten times too good comes into the final, and loses there."""
    lucky = Arrangement("a", 1, 4, 0)
    calls: Counter[Arrangement] = Counter()

    def measure(one: Arrangement) -> Measured:
        calls[one] += 1
        return Measured(1000 if one == lucky and calls[one] == 1 else 100, 10)

    found = ran(measure)
    assert found.trials[lucky] == Trial(lucky, FINAL, 4, Measured(100, 10))
    assert chosen(found) == (DEFAULT, 1.0)


def test_the_best_of_the_rounds_counts():
    """Of the final's rounds the most pairs and the least time count, each on its own, and nothing of the heats."""
    heat, final = [(99, 1), (99, 1)], [(50, 9), (80, 30), (60, 7), (70, 8)]
    rounds = iter([Measured(*one) for one in (*heat, *final)])
    found = Race(DEFAULT, lambda _: next(rounds), silent)
    found.run({"b": ()}, [(4, 1)])
    assert found.trials == {DEFAULT: Trial(DEFAULT, FINAL, 4, Measured(80, 7))}


def test_a_variant_without_budgets_is_not_stacked():
    """Of a variant that varies with its batch-mates no stacks are tried, though it leads."""
    found = Race(DEFAULT, lambda one: Measured(200 if one.variant == "a" else 100, 10), silent)
    found.run({"a": (), "b": BUDGETS}, DIVISIONS)
    assert {one.batch_tokens for one in found.trials if one.variant == "a"} == {0}


@given(speeds, st.sets(st.sampled_from([one for one in EVERY if one != DEFAULT])))
def test_what_cannot_run_is_told_and_never_chosen(speed: dict[Arrangement, float], broken: set[Arrangement]):
    """A provider's refusal of one arrangement ends that one, with its reason, and no more."""

    def measure(one: Arrangement) -> Measured:
        if one in broken:
            raise ProviderError(f"{one} does not fit")
        return Measured(speed[one], 10)

    found = ran(measure)
    assert chosen(found)[0] not in broken
    for one, trial in found.trials.items():
        assert (trial.best is None) == (one in broken)
        assert trial.refused == (f"{one} does not fit" if one in broken else "")


def test_defaults_that_cannot_run_end_the_race():
    """Where the provider refuses the defaults, its error leaves the race."""

    def measure(one: Arrangement) -> Measured:
        raise ProviderError("no GPU")

    with pytest.raises(ProviderError, match="no GPU"):
        ran(measure)


def test_progress_names_stage_and_figures():
    """Every measurement is a line: where the race is, what was measured, what it came to."""
    lines: list[str] = []
    Race(DEFAULT, lambda one: Measured(12.34, 56.78), lines.append).run({"b": ()}, [(4, 1)])
    assert lines[0] == ("first heat, round 1, 1 of 1: b, 4 slots of 1 thread, one item a run: 12.3 pairs/s, 56.8 ms")
    assert [line.split(":")[0] for line in lines[1:]] == [
        "first heat, round 2, 1 of 1",
        *(f"final, round {number}, 1 of 1" for number in (1, 2, 3, 4)),
    ]


def test_a_gain_within_the_margin_leaves_the_defaults():
    """2% more is noise, 4% more is not."""
    other = Arrangement("a", 4, 1, 0)

    def trials(gain: float) -> list[Trial]:
        return [Trial(DEFAULT, FINAL, 4, Measured(100, 10)), Trial(other, FINAL, 4, Measured(100 * gain**2, 10))]

    assert race.choose(trials(1.02), DEFAULT) == (DEFAULT, pytest.approx(1.02))
    assert race.choose(trials(1.04), DEFAULT) == (other, pytest.approx(1.04))
    assert race.choose(trials(0.5), DEFAULT) == (DEFAULT, 1.0)


def test_the_score_weighs_both_figures_alike():
    """Twice the throughput at twice the time is no gain."""
    assert Measured(200, 20).score == pytest.approx(Measured(100, 10).score)
    assert Measured(100, 5).score == pytest.approx(sqrt(2) * Measured(100, 10).score)


@given(st.integers(1, 512))
def test_divisions_fit_the_cores(cores: int):
    """No division uses more cores than there are; the defaults and one run on all cores are among them."""
    found = race.divisions(cores, gpu=False)
    assert all(1 <= slots * threads <= cores for slots, threads in found)
    assert {(cores, 1), (1, cores)} <= set(found)
    assert len(set(found)) == len(found) <= cores.bit_length() + 2


def test_divisions_of_two_and_sixteen_cores():
    """What is tried on two cores, on sixteen, and on a GPU."""
    assert race.divisions(2, gpu=False) == [(2, 1), (1, 2), (1, 1)]
    assert race.divisions(16, gpu=False) == [(16, 1), (8, 2), (4, 4), (2, 8), (1, 16), (8, 1)]
    assert race.divisions(16, gpu=True) == [(1, 1), (2, 1), (4, 1)]


def test_a_provider_that_compiles_is_not_stacked_on_a_cpu():
    """Budgets are tried where a new shape costs nothing, and on GPUs."""
    assert 1 in race.budgets(gpu=False, compiles=True)
    assert 1 in race.budgets(gpu=False, compiles=False)
    assert 1 not in race.budgets(gpu=True, compiles=False)
    assert race.budgets(gpu=True, compiles=True) == race.budgets(gpu=True, compiles=False)
