"""What an index holds of a vector: its direction, in float16, under a key that equal directions share.

A cosine does not depend on lengths, so vectors are divided by theirs before they lose precision: a float16 cannot
hold 3.5e7 or 3.5e-8. A vector of length 0 has no direction; it stays 0, and its cosine with any
other is 0.

The key is a hash of the direction. So copies of a text share one entry in the index: in a graph full of equal
vectors, walks do not get past them. Two of ten million directions share a key by chance with a probability of
5e-6.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InferenceFailed

Keys = NDArray[np.uint64]

KEY_BITS = 63  # SQLite's integers have a sign


class Directions(NamedTuple):
    """The directions of some vectors."""

    keys: Keys  # uint64 [vectors]
    units: NDArray[np.float16]  # float16 [vectors, dimensions], of length 1, or 0


def of(vectors: NDArray[np.float32]) -> Directions:
    """Return the directions of vectors, float32 [vectors, dimensions].

    Raises:
        InferenceFailed: one holds a number that is not finite.
    """
    if len(broken := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
        raise InferenceFailed(
            f"the embedder's vector of text {broken[0] + 1} of {len(vectors)} is not finite, so nothing can be near"
            " it; the model's graph overflows: export it again, in another variant"
        )
    exact = vectors.astype(np.float64)  # in float32 the squares of finite numbers overflow
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    units = np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0).astype(np.float16)
    units += 0  # makes 0 of -0: they are equal, but their bytes are not
    return Directions(np.array([_key(unit) for unit in units], np.uint64), units)


def _key(unit: NDArray[np.float16]) -> int:
    digest = hashlib.blake2b(unit.tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - KEY_BITS)
