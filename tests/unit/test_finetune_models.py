"""Teachers: what a dual encoder says token by token. The encoder is a stand-in with known token vectors."""

import numpy as np
import pytest

from shortlist.finetune import models
from shortlist.finetune.models import Dual, LateInteraction
from shortlist.finetune.settings import FinetuneSettings

VECTORS = {"red": (1.0, 0.0), "green": (0.0, 1.0), "brown": (0.6, 0.8)}


class Words(Dual):
    """Give each word the vector that is known of it."""

    name = "words"

    def __init__(self, *, pools_by_mean: bool = True) -> None:
        """Load nothing."""
        self._mean = pools_by_mean

    @property
    def pools_by_mean(self):
        return self._mean

    def query_tokens(self, texts):
        return self.document_tokens(texts)

    def document_tokens(self, texts):
        return [np.array([VECTORS[word] for word in text.split()], np.float32) for text in texts]


def test_each_query_token_takes_its_best_match():
    """The agreement is the mean over the query's tokens of the best cosine in the passage."""
    found = LateInteraction(Words()).agreement([("red green", "red"), ("red green", "brown red"), ("red", "green")])
    assert found == pytest.approx([0.5, (1.0 + 0.8) / 2, 0.0])


def test_slices_do_not_change_what_is_said(monkeypatch):
    """Pairs that are asked about in several slices get the same answers."""
    pairs = [("red green", "brown"), ("red", "brown"), ("green", "red green"), ("brown", "brown")]
    whole = LateInteraction(Words()).agreement(pairs)
    monkeypatch.setattr(models, "_PAIRS_AT_ONCE", 2)
    assert LateInteraction(Words()).agreement(pairs).tolist() == whole.tolist()


@pytest.mark.parametrize(
    ("interaction", "pools_by_mean", "late"),
    [("", True, True), ("", False, False), ("pooled", True, False), ("late", False, True)],
)
def test_how_a_dual_encoder_teaches(tmp_path, interaction, pools_by_mean, late):
    """Token by token where it pools by mean, unless the setting says otherwise."""
    settings = FinetuneSettings(base="b", out=tmp_path, pairs=tmp_path, interaction=interaction)
    finder = Words(pools_by_mean=pools_by_mean)
    assert isinstance(models.teacher(settings, finder), LateInteraction) == late
