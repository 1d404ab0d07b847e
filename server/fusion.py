"""The final order of a search: by the cross-encoder's logits, or by them with a share of stage one's similarity.

A small reranker that was trained on little knows less than the dual encoder of texts unlike its training data, and
the two err in different places. Pure functions of arrays; the default weight comes from the reranker's bundle.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_STILL = 1e-9  # a spread below it is none: all candidates are worth the same


def scores(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sigmoid of each logit, 0 to 1: float64 [candidates]."""
    return 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))


def order(
    logits: NDArray[np.float32], done: NDArray[np.bool_], similarities: Sequence[float] = (), share: float = 0.0
) -> list[int]:
    """Return the candidates' indices, best first; what was not scored follows in the order it came in.

    Logits and similarities have no common scale, so each is standardized over the candidates that were scored (mean
    0, deviation 1) before they are added: (1 - share) * logit + share * similarity.

    Args:
        logits: float32 [candidates].
        done: bool [candidates]; False where there is no logit.
        similarities: stage one's, one a candidate; unused if their share is 0.
        share: the similarity's, 0 to 1; 0 orders by logit alone.
    """
    worth = np.where(done, logits, 0.0).astype(np.float64)
    if share > 0:  # with 0 the logits stay as they are: standardizing rounds, and may tie logits that differ
        near = np.asarray(similarities, np.float64)
        worth[done] = (1 - share) * _standard(worth[done]) + share * _standard(near[done])
    # A stable sort keeps ties in stage one's order.
    return sorted(range(len(done)), key=lambda index: (not done[index], -worth[index]))


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(values):
        return values
    spread = float(values.std())
    result: NDArray[np.float64] = (values - values.mean()) / (spread if spread > _STILL else 1.0)
    return result
