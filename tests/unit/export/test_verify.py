"""What the fp32 graph must reach, and the texts that it is tried on."""

import math

import pytest

from shortlist.export import texts, verify


@pytest.mark.parametrize(
    ("parity", "named"),
    [
        ({"cosine_min": 0.99998, "element_change_max": 1e-6}, "cosine_min is 0.99998"),
        ({"cosine_min": 1.0, "element_change_max": 0.01}, "element_change_max is 0.01"),
        ({"score_change_max": 0.001}, "score_change_max is 0.001"),
        ({"score_change_max": math.nan}, "score_change_max is nan"),
        ({"cosine_min": math.nan}, "cosine_min is nan"),
        ({"batch_change_max": 0.01}, "batch_change_max is 0.01, but must be 0.0001 or less"),
    ],
)
def test_shortfall_names_figure_and_limit(parity: dict[str, float], named: str) -> None:
    """What falls short is named, not-a-number included."""
    assert named in verify.shortfall(parity)


def test_figures_within_their_limits_fall_nowhere_short() -> None:
    """Good figures, of either kind of model, give no complaint; figures without a limit count for nothing."""
    assert verify.shortfall({"cosine_min": 1.0, "element_change_max": 1e-6, "batch_change_max": 0.0}) == ""
    assert verify.shortfall({"score_change_max": 1e-6, "logit_change_max": 5.0}) == ""


def test_texts_are_of_many_kinds() -> None:
    """The trial's texts are short and long, of several scripts, and none is there twice."""
    found = texts.questions_and_passages()
    passages = [text for _, text in found]
    assert len(set(passages)) == len(found) >= 40
    assert min(map(len, passages)) < 20
    assert max(map(len, passages)) > 800
    assert sum(not text.isascii() for text in passages) >= 8
    pairs = texts.pairs()
    assert len(set(pairs)) == len(pairs) >= 100
    assert pairs[0] == found[0]
