"""How many candidates stage two reads: by margin, by budget, and never fewer than was asked for."""

import math

import pytest

from shortlist.server.search.query import LimitedBy
from shortlist.server.search.selection import Bounds, Selection, select

SIMILARITIES = [0.75, 0.7, 0.6, 0.5, 0.25]
SECONDS = [0.1, 0.1, 0.1, 0.1, 0.1]
NO_WORDS = [0.0] * 5


def bounds(margin: float = math.inf, budget_s: float = math.inf, least: int = 0, least_in_budget: int = 0) -> Bounds:
    """Return bounds, none of which holds unless it is given."""
    return Bounds(margin, budget_s, least, least_in_budget)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (bounds(), (range(5), "none")),
        (bounds(margin=0.25), (range(4), "margin")),  # a cosine as far behind as the margin is read
        (bounds(margin=0.0), (range(1), "margin")),
        (bounds(margin=0.2, least=5), (range(5), "none")),
        (bounds(margin=0.1, least=3), (range(3), "margin")),
        (bounds(margin=0.1, least=50), (range(5), "none")),
        (bounds(budget_s=0.35), (range(3), "budget")),
        (bounds(budget_s=0.05), (range(0), "budget")),
        (bounds(budget_s=0.05, least_in_budget=2), (range(2), "budget")),
        (bounds(budget_s=-1.0, least_in_budget=2), (range(2), "budget")),
        (bounds(margin=0.2, budget_s=0.25), (range(2), "budget")),
        (bounds(margin=0.1, budget_s=0.35), (range(2), "margin")),
        (bounds(margin=0.2, budget_s=0.25, least=5, least_in_budget=3), (range(3), "budget")),
    ],
)
def test_the_tighter_bound_decides_and_is_told(given: Bounds, expected: tuple[range, LimitedBy]):
    """As many are read as both bounds allow, and the one that kept the rest out is named."""
    places, limited_by = expected
    assert select(SIMILARITIES, NO_WORDS, SECONDS, given) == Selection(tuple(places), limited_by)


def test_candidates_that_do_not_fall_by_similarity():
    """Of two rankings in one, those near the best are read wherever they stand, and of the rest the first."""
    mixed = [0.7, 0.2, 0.75, 0.3, 0.6]
    assert select(mixed, NO_WORDS, SECONDS, bounds(margin=0.1)) == Selection((0, 2), "margin")
    assert select(mixed, NO_WORDS, SECONDS, bounds(margin=0.1, least=4)) == Selection((0, 1, 2, 3), "margin")
    assert select(mixed, NO_WORDS, SECONDS, bounds(margin=0.2, budget_s=0.25)) == Selection((0, 2), "budget")


def test_what_words_found_well_is_read():
    """A candidate far by cosine is read if its BM25 is half of the best one's, and then counts as near."""
    words = [0.0, 2.0, 0.0, 8.0, 4.0]
    assert select(SIMILARITIES, words, SECONDS, bounds(margin=0.0)) == Selection((0, 3, 4), "margin")
    assert select(SIMILARITIES, words, SECONDS, bounds(margin=0.05, budget_s=0.35)) == Selection((0, 1, 3), "budget")
    assert select(SIMILARITIES, words, SECONDS, bounds(margin=0.0, least=4)) == Selection((0, 1, 3, 4), "margin")


def test_nothing_of_nothing():
    """Without candidates there is nothing to read, and no bound that kept anything out."""
    assert select([], [], [], bounds(margin=0.0, budget_s=0.0, least=3)) == Selection((), "none")
