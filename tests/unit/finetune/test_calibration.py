"""Calibration: what is fitted brings scores to what they say, and the head gives exactly these scores."""

import numpy as np
import pytest
import torch
from torch import nn

from shortlist.bench.measures import calibration_error
from shortlist.finetune import calibration, models
from shortlist.finetune.calibration import Calibration
from shortlist.finetune.errors import FinetuneError
from shortlist.server import fusion
from shortlist.server.fusion import Fusion


def drawn(factor, offset, weight=0.0, count=20_000):
    """Draw logits and similarities of which the given calibration is the right one, and judgements by it."""
    rng = np.random.default_rng(0)
    logits, similarities = (rng.normal(*spread, count).astype(np.float32) for spread in ((0, 2), (0.4, 0.15)))
    both = factor * logits + offset + weight * (similarities - similarities.mean())
    return logits, similarities, rng.random(count) < fusion.scores(both)


@pytest.mark.parametrize(("factor", "offset", "weight"), [(0.5, -3.0, 0.0), (2.0, 1.0, 8.0)])
def test_the_fit_is_that_of_the_draw(factor, offset, weight):
    """What judgements were drawn by is found again, and with it the error of the relevance is near 0."""
    logits, similarities, relevant = drawn(factor, offset, weight)
    found = calibration.fit(logits, similarities, relevant)
    assert found.factor == pytest.approx(factor, rel=0.1)
    assert found.offset == pytest.approx(offset, rel=0.1)
    assert found.fusion.weight == pytest.approx(weight, abs=0.6)
    after = found.fusion.logits((found.factor * logits + found.offset).astype(np.float32), similarities.tolist())
    assert calibration_error(fusion.scores(after).tolist(), relevant.tolist()) < 0.01
    assert calibration_error(fusion.scores(logits).tolist(), relevant.tolist()) > 0.05


def test_a_similarity_that_misleads_gets_no_weight():
    """Where similar candidates are less relevant at the same logit, the logit alone is fitted."""
    logits, similarities, relevant = drawn(1.0, 0.0, -8.0)
    assert calibration.fit(logits, similarities, relevant).fusion == Fusion()


def test_a_weight_that_is_given_is_kept():
    """The similarity counts as many logits as were said, whatever fits best, and both are calibrated together."""
    logits, similarities, relevant = drawn(2.0, -3.0, 5.0)
    found = calibration.fit(logits, similarities, relevant, 6.0)
    assert found.fusion.weight == pytest.approx(6.0 * found.factor)
    shown = found.fusion.logits(found.of(logits), similarities.tolist())
    assert calibration_error(fusion.scores(shown).tolist(), relevant.tolist()) < 0.03
    assert calibration.fit(logits, similarities, relevant, 0.0).fusion == Fusion()


def test_nothing_to_learn_from_changes_nothing():
    """Judgements that are all alike, or that go against the logits, leave scores as they are."""
    logits, similarities = np.array([-1, 0, 1, 2], np.float32), np.full(4, 0.5, np.float32)
    for relevant in ([True] * 4, [False] * 4, [True, True, False, False]):
        assert calibration.fit(logits, similarities, np.array(relevant)) == Calibration()


def test_the_error_is_the_textbook_s():
    """Two bins that are off by 0.1 and 0.25, of two and one scores, are off by 0.15; what is right is off by 0."""
    assert calibration_error([0.4, 0.4, 0.75], [True, False, True]) == pytest.approx((0.2 + 0.25) / 3)
    assert calibration_error([1.0, 0.0], [True, False]) == 0.0


class Head:
    """A cross-encoder, as far as its head goes."""

    def __init__(self, *layers):
        """Take the layers of the transformer's head."""
        self.layers = nn.Sequential(*layers)

    def __getitem__(self, _):
        return self

    @property
    def model(self):
        return self.layers


def test_the_head_gives_the_calibrated_logit():
    """The last layer's output is the factor times what it was, and the offset."""
    model = Head(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    inputs = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    before = model.layers(inputs)
    calibration.apply(model, Calibration(0.5, -2.0))
    assert torch.allclose(model.layers(inputs), 0.5 * before - 2.0, atol=1e-6)
    with pytest.raises(FinetuneError, match="does not end in a linear layer with a bias"):
        calibration.apply(Head(nn.Linear(4, 1, bias=False)), Calibration(0.5, -2.0))
    assert not models.is_adapter(model)
