"""Directions of vectors: what of a vector decides its cosines, and which vectors share a key."""

import numpy as np
import pytest

from shortlist.server.errors import InferenceFailed
from shortlist.server.storage import unit_vectors

RANDOM = np.random.default_rng(5).standard_normal((200, 24)).astype(np.float32)


@pytest.mark.parametrize("length", [1e-44, 3.5e-8, 1.0, 3.5e7, 1e38])
def test_lengths_do_not_matter(length: float):
    """Vectors of any finite length have their direction within float16's precision."""
    scaled = RANDOM / np.abs(RANDOM).max() * np.float32(length)
    exact = scaled.astype(np.float64) / np.linalg.norm(scaled.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(unit_vectors.of(scaled).units, exact, rtol=2**-11, atol=2**-25)


def test_equal_directions_share_a_key():
    """Copies, multiples and zeros of either sign share a key; thousands of other vectors have keys of their own."""
    same = np.array([[0.0, 3.0, 4.0], [-0.0, 3.0, 4.0], [0.0, 1.5, 2.0], [-1e-20, 3.0, 4.0]], np.float32)
    assert len(np.unique(unit_vectors.of(same).keys)) == 1
    others = np.random.default_rng(6).standard_normal((5000, 8)).astype(np.float32)
    assert len(np.unique(unit_vectors.of(others).keys)) == 5000


def test_no_length_is_no_direction():
    """A vector of length 0 stays 0, without a warning."""
    assert unit_vectors.of(np.zeros((1, 3), np.float32)).units.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(number: float):
    """A vector that is near nothing is refused, and the message tells which text it is of."""
    vectors = RANDOM[:3].copy()
    vectors[1, 7] = number
    with pytest.raises(InferenceFailed, match="text 2 of 3 is not finite"):
        unit_vectors.of(vectors)
