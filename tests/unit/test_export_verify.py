"""The figures of a comparison, and what they must reach."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from shortlist.export import texts, verify

RANDOM = np.random.default_rng(0)


def test_kendall_tau_is_scipys() -> None:
    """The order of two rankings is compared as scipy does it."""
    first = RANDOM.normal(size=60).astype(np.float32)
    second = first + RANDOM.normal(scale=0.5, size=60).astype(np.float32)
    assert verify._kendall_tau(first, second) == pytest.approx(kendalltau(first, second).statistic)
    assert verify._kendall_tau(first, first) == 1
    assert verify._kendall_tau(first, -first) == -1


def test_vectors_are_compared_by_direction_length_and_neighbours() -> None:
    """Equal vectors agree in all figures; longer ones keep direction and neighbours, and change their elements."""
    vectors = RANDOM.normal(size=(40, 8)).astype(np.float32)
    same = verify._compare_vectors(vectors, vectors)
    assert same["cosine_min"] == pytest.approx(1)
    assert (same["element_change_max"], same["top10_overlap"]) == (0, 1)
    longer = verify._compare_vectors(vectors, vectors * 2)
    assert longer["cosine_min"] == pytest.approx(1)
    assert longer["element_change_max"] > 0.1
    other = verify._compare_vectors(vectors, RANDOM.normal(size=(40, 8)).astype(np.float32))
    assert other["top10_overlap"] < 0.6


@pytest.mark.parametrize(
    ("variant", "parity", "named"),
    [
        ("fp32", {"cosine_min": 0.99998, "element_change_max": 1e-6}, "cosine_min is 0.99998"),
        ("fp32", {"cosine_min": 1.0, "element_change_max": 0.01}, "element_change_max is 0.01"),
        ("fp32", {"score_change_max": 0.001}, "score_change_max is 0.001"),
        ("fp32", {"score_change_max": math.nan}, "score_change_max is nan"),
        ("int8", {"cosine_mean": 0.94}, "cosine_mean is 0.94"),
        ("int8", {"kendall_tau": math.nan}, "kendall_tau is nan"),
    ],
)
def test_shortfall_names_figure_and_limit(variant: str, parity: dict[str, float], named: str) -> None:
    """What falls short is named, not-a-number included."""
    assert named in verify.shortfall(variant, parity)


def test_figures_within_their_limits_fall_nowhere_short() -> None:
    """Good figures, of either kind of model, give no complaint."""
    assert verify.shortfall("fp32", {"cosine_min": 1.0, "element_change_max": 1e-6, "batch_change_max": 0.0}) == ""
    assert verify.shortfall("int8", {"kendall_tau": 0.9, "score_change_max": 0.1}) == ""


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
