"""The figures of a comparison, held against others' ways to compute them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.export import figures

RANDOM = np.random.default_rng(0)


def test_kendall_tau_is_scipys():
    """The order of two rankings is compared as scipy does it."""
    stats = pytest.importorskip("scipy.stats")
    first = RANDOM.normal(size=60).astype(np.float32)
    second = first + RANDOM.normal(scale=0.5, size=60).astype(np.float32)
    assert figures.kendall_tau(first, second) == pytest.approx(stats.kendalltau(first, second).statistic)


def test_kendall_tau_by_hand():
    """The same order is 1, the reverse -1, and one pair of three the other way round a third."""
    first = np.array([3, 2, 1], np.float32)
    assert figures.kendall_tau(first, first) == 1
    assert figures.kendall_tau(first, -first) == -1
    assert figures.kendall_tau(first, np.array([2, 3, 1], np.float32)) == pytest.approx(1 / 3)


def test_scores_that_are_all_the_same_order_nothing():
    """A model that gives every passage one score has fp32's order of no pair."""
    assert figures.kendall_tau(np.array([3, 2, 1], np.float32), np.zeros(3, np.float32)) == -1


def test_vectors_are_compared_by_direction_length_and_neighbours():
    """Equal vectors agree in all figures; longer ones keep direction and neighbours, and change their elements."""
    vectors = RANDOM.normal(size=(40, 8)).astype(np.float32)
    same = figures.vectors(vectors, vectors)
    assert same["cosine_min"] == pytest.approx(1)
    assert (same["element_change_max"], same["top10_overlap"]) == (0, 1)
    longer = figures.vectors(vectors, vectors * 2)
    assert longer["cosine_min"] == pytest.approx(1)
    assert longer["element_change_max"] > 0.1
    other = figures.vectors(vectors, RANDOM.normal(size=(40, 8)).astype(np.float32))
    assert other["top10_overlap"] < 0.6


def test_few_vectors_have_few_neighbours():
    """Of four texts each has three neighbours, however they are placed."""
    first, second = RANDOM.normal(size=(2, 4, 8)).astype(np.float32)
    assert figures.vectors(first, second)["top10_overlap"] == 1


def test_one_vector_of_many_turned_round_shows():
    """The lowest cosine is that of the one that turned; the mean moves by its share."""
    vectors = RANDOM.normal(size=(40, 8)).astype(np.float32)
    turned = vectors.copy()
    turned[7] *= -1
    found = figures.vectors(vectors, turned)
    assert found["cosine_min"] == pytest.approx(-1)
    assert found["cosine_mean"] == pytest.approx(1 - 2 / 40)


def test_logits_are_compared_as_scores_and_as_they_are():
    """A logit moved from 0 to 2 moves its score from one half to sigmoid(2), and the mean by its share."""
    expected = np.zeros(4, np.float32)
    found = np.array([0, 0, 2, 0], np.float32)
    moved = 1 / (1 + np.exp(-2)) - 0.5
    assert figures.logits(expected, found) == {
        "score_change_mean": pytest.approx(moved / 4),
        "score_change_max": pytest.approx(moved),
        "logit_change_max": 2,
    }
    assert figures.change("reranker", expected, found) == pytest.approx(moved)


def test_a_vectors_change_is_relative_to_its_length():
    """An element moved by 1 in a vector of length 5 is a change of a fifth."""
    first = np.array([[3, 4]], np.float32)
    assert figures.change("embedder", first, first + np.array([[1, 0]], np.float32)) == pytest.approx(0.2)


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=30),
    st.randoms(use_true_random=False),
)
def test_ndcg_is_that_of_scikit_learn(grades: list[int], rng):
    """Over lists of any length, order and grades, nothing relevant among them, another's measure agrees."""
    metrics = pytest.importorskip("sklearn.metrics")
    scores = list(range(len(grades)))
    rng.shuffle(scores)
    expected = metrics.ndcg_score([grades], [scores], k=10)
    assert figures.ndcg_by(np.array(scores, np.float32), grades) == pytest.approx(expected)
