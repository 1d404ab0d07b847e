"""Token vectors as int8: what they keep of float32, and MaxSim over many texts as over each alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shortlist.server.errors import InferenceFailed
from shortlist.server.runtime import late_interaction
from shortlist.server.storage import maxsim

RNG = np.random.default_rng(0)
DIMENSIONS = 96


def units(count: int, rng: np.random.Generator = RNG) -> np.ndarray:
    """Return vectors of length 1, some of whose dimensions are larger than others, as models' are."""
    made = (rng.normal(size=(count, DIMENSIONS)) * rng.gamma(2, size=DIMENSIONS)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@given(arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 9)), elements=st.floats(-8, 8, width=32)))
def test_what_is_packed_comes_back(vectors: np.ndarray):
    """Each number comes back to half a step of its row's scale and float16's rounding of it; nothing is at fault."""
    blob = maxsim.packed(vectors)
    back = maxsim.unpacked(blob, vectors.shape[1])
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    assert (np.abs(back - vectors) <= largest * (0.5 / 127 + 2**-10) + 127 * 2**-25).all()
    assert maxsim.fault(blob, len(vectors), vectors.shape[1]) == ""


def test_scores_are_those_of_float32():
    """Scores of 500 texts correlate 0.9999 with those in float32 and within 0.04 of them, for each of ten queries."""
    texts = [units(int(length)) for length in RNG.integers(1, 200, 500)]
    for _ in range(10):
        query = units(32)
        exact = late_interaction.maxsim(query, texts)
        found = maxsim.scores(query, [maxsim.packed(text) for text in texts])
        assert np.corrcoef(found, exact)[0, 1] > 0.9999
        assert np.abs(found - exact).max() < 0.04


@pytest.mark.parametrize("at_once", [1, 7, 100, 10_000])
def test_many_texts_at_once(monkeypatch: pytest.MonkeyPatch, at_once: int):
    """Texts of any lengths, empty ones among them, have the scores that each has alone, however they are batched."""
    monkeypatch.setattr(maxsim, "_AT_ONCE", at_once)
    blobs = [maxsim.packed(units(length)) for length in (0, 3, 1, 0, 0, 120, 7, 8, 1, 0)]
    query = units(5)
    alone = [float(maxsim.scores(query, [blob])[0]) for blob in blobs]
    assert maxsim.scores(query, blobs).tolist() == pytest.approx(alone, abs=1e-5)
    assert [score for score, blob in zip(alone, blobs, strict=True) if not blob] == [0.0] * 4
    assert maxsim.scores(query, []).tolist() == []
    assert maxsim.scores(query, [b""]).tolist() == [0.0]


def test_texts_whose_vectors_are_all_far():
    """A text that is unlike the query has the score below 0 that it has, and not the 0 of a padding row."""
    query = units(1)
    assert maxsim.scores(query, [maxsim.packed(-query)])[0] == pytest.approx(-1, abs=0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_numbers_that_cannot_be_kept(bad: float):
    """What is not finite, or too large for a scale, is refused."""
    vectors = units(3)
    vectors[1, 2] = bad
    with pytest.raises(InferenceFailed, match="not finite"):
        maxsim.packed(vectors)


@pytest.mark.parametrize(
    ("blob", "what"),
    [
        (b"\0" * 9, "9 bytes and not 2 times 5"),
        (b"\0\0\0" + b"\x00\x7c" + b"\0" * 5, "a scale that is not finite, or below 0"),
        (b"\0\0\0" + b"\x00\xbc" + b"\0" * 5, "a scale that is not finite, or below 0"),
        (b"\0\0\x80" + b"\x00\x3c" + b"\0" * 5, "a number below -127"),
    ],
)
def test_a_blob_at_fault(blob: bytes, what: str):
    """A blob that `packed` would never make is told."""
    assert maxsim.fault(blob, 2, 3) == what
