"""How many candidates stage two reads: by margin, by budget, and never fewer than was asked for."""

import math

import pytest

from shortlist.server.search.selection import Bounds, Selection, select

SIMILARITIES = [0.75, 0.7, 0.6, 0.5, 0.25]
SECONDS = [0.1, 0.1, 0.1, 0.1, 0.1]


def bounds(margin: float = math.inf, budget_s: float = math.inf, least: int = 0, least_in_budget: int = 0) -> Bounds:
    """Return bounds, none of which holds unless it is given."""
    return Bounds(margin, budget_s, least, least_in_budget)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (bounds(), Selection(5, "none")),
        (bounds(margin=0.25), Selection(4, "margin")),  # a cosine as far behind as the margin is read
        (bounds(margin=0.0), Selection(1, "margin")),
        (bounds(margin=0.2, least=5), Selection(5, "none")),
        (bounds(margin=0.1, least=3), Selection(3, "margin")),
        (bounds(margin=0.1, least=50), Selection(5, "none")),
        (bounds(budget_s=0.35), Selection(3, "budget")),
        (bounds(budget_s=0.05), Selection(0, "budget")),
        (bounds(budget_s=0.05, least_in_budget=2), Selection(2, "budget")),
        (bounds(budget_s=-1.0, least_in_budget=2), Selection(2, "budget")),
        (bounds(margin=0.2, budget_s=0.25), Selection(2, "budget")),
        (bounds(margin=0.1, budget_s=0.35), Selection(2, "margin")),
        (bounds(margin=0.2, budget_s=0.25, least=5, least_in_budget=3), Selection(3, "budget")),
    ],
)
def test_the_tighter_bound_decides_and_is_told(given: Bounds, expected: Selection):
    """As many are read as both bounds allow, and the one that kept the rest out is named."""
    assert select(SIMILARITIES, SECONDS, given) == expected


def test_nothing_of_nothing():
    """Without candidates there is nothing to read, and no bound that kept anything out."""
    assert select([], [], bounds(margin=0.0, budget_s=0.0, least=3)) == Selection(0, "none")
