"""The final order: logits, similarities, and what lies between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server import fusion
from shortlist.server.fusion import Fusion

LOGITS = np.array([-3.0, 4.0, 5.0, 0.0], np.float32)
ALL = np.ones(4, np.bool_)
SIMILARITIES = [0.9, 0.8, 0.2, 0.1]


@pytest.mark.parametrize(("weight", "expected"), [(0.0, [2, 1, 3, 0]), (2.0, [1, 2, 3, 0]), (100.0, [0, 1, 2, 3])])
def test_from_logits_to_similarities(weight, expected):
    """Weight 0 is the cross-encoder's order, 100 nearly stage one's, between them a good second of both wins."""
    assert fusion.order(Fusion(weight).logits(LOGITS, SIMILARITIES), ALL) == expected


def test_the_center_moves_relevances_and_no_order():
    """At the center a similarity changes nothing, and wherever it lies the order is the same."""
    fused = Fusion(10.0, 0.8).logits(LOGITS, SIMILARITIES)
    assert fused == pytest.approx([-2.0, 4.0, -1.0, -7.0], abs=1e-5)
    for center in (-1.0, 0.0, 0.5):
        assert fusion.order(Fusion(10.0, center).logits(LOGITS, SIMILARITIES), ALL) == fusion.order(fused, ALL)


def test_what_was_not_scored_comes_last():
    """Candidates without a logit follow in stage one's order, whatever their similarity."""
    done = np.array([False, True, True, False])
    assert fusion.order(Fusion(100.0).logits(LOGITS, SIMILARITIES), done) == [1, 2, 0, 3]


def test_nothing_scored():
    """Without any logit the order is stage one's."""
    assert fusion.order(LOGITS, np.zeros(4, np.bool_)) == [0, 1, 2, 3]


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30), st.data())
def test_no_weight_is_the_order_of_the_logits(logits, data):
    """Weight 0 sorts by logit alone: ties stay as they came, and unscored candidates follow."""
    done = np.array(data.draw(st.lists(st.booleans(), min_size=len(logits), max_size=len(logits))))
    values = np.where(done, np.array(logits, np.float32), np.float32(0))
    scored, rest = ([place for place, one in enumerate(done) if one == told] for told in (True, False))
    by_logit = [scored[place] for place in np.argsort(-values[scored], kind="stable")]
    assert fusion.order(Fusion().logits(values, [0.5] * len(logits)), done) == [*by_logit, *rest]


def test_scores_are_sigmoids():
    """A score is the sigmoid of its logit."""
    found = fusion.scores(np.array([0.0, 2.0, -2.0, 50.0], np.float32))
    assert found == pytest.approx([0.5, 0.880797, 0.119203, 1.0], abs=1e-6)
