"""The final order of a search: by the cross-encoder's logits, or by them with stage one's similarity beside them.

A small reranker that was trained on little knows less than the dual encoder of texts unlike its training data, and
the two err in different places. Pure functions of arrays; the default weight comes from the reranker's bundle.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Fusion:
    """How much the similarity counts beside the logit: logit + weight * (similarity - center).

    This is what a logistic regression of relevance on both numbers comes to, so its sigmoid is one number from 0 to 1
    for both, and means the same in every search.
    """

    weight: float = 0.0  # logits that a similarity of 1 more is worth; 0: the score alone
    center: float = 0.0  # the similarity that changes nothing

    def logits(self, logits: NDArray[np.float32], similarities: Sequence[float]) -> NDArray[np.float32]:
        """Return the logits by which the order falls: float32 [candidates]."""
        if not self.weight:  # the logits as they are: an addition rounds, and may tie logits that differ
            return logits
        near = np.asarray(similarities, np.float32)
        return logits + np.float32(self.weight) * (near - np.float32(self.center))


def scores(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sigmoid of each logit, 0 to 1: float64 [candidates]."""
    return 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))


def order(logits: NDArray[np.float32], done: NDArray[np.bool_]) -> list[int]:
    """Return the candidates' indices, best first; what was not scored follows in the order it came in.

    Args:
        logits: float32 [candidates].
        done: bool [candidates]; False where there is no logit.
    """
    # A stable sort keeps ties in stage one's order.
    return sorted(range(len(done)), key=lambda index: (not done[index], -logits[index] if done[index] else 0.0))
