"""Weights to int8 so that the products change least, rather than the weights.

GPTQ (Frantar, Ashkboos, Hoefler and Alistarh 2022, arXiv:2210.17323): weights are rounded row by row, and what the
rounding of one row changes is made up for by those that are still to come, as far as their inputs go together.
"""

import numpy as np
from numpy.typing import NDArray

from . import int8_range

_BLOCK = 64  # rows after which the rest is made up to date at once
_DAMPING = 0.01  # of the mean second moment, as in the paper


def scales(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one scale a column, float32 [columns], with which its largest weight becomes `steps.WEIGHT`."""
    result: NDArray[np.float32] = np.maximum(np.abs(weight).max(axis=0), 1e-8) / np.float32(int8_range.WEIGHT)
    return result


def nearest(weight: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.int8]:
    """Round each weight to the nearest step."""
    return np.clip(np.round(weight / scale), -int8_range.WEIGHT, int8_range.WEIGHT).astype(np.int8)


def compensated(
    inputs: NDArray[np.float32], weight: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.int8]:
    """Round the weights so that `inputs @ weight` changes least.

    Args:
        inputs: float32 [rows, width], weighted by how much each row counts.
        weight: float32 [width, columns].
        scale: float32 [columns].

    Returns:
        int8 [width, columns].
    """
    moments = inputs.T.astype(np.float64) @ inputs
    diagonal = np.diag(moments)
    order = np.argsort(-diagonal, kind="stable")  # what counts most is rounded first, while all can make up for it
    moments = moments[order][:, order] + np.eye(len(order)) * (_DAMPING * diagonal.mean() + 1e-12)
    factor = np.linalg.cholesky(np.linalg.inv(moments)).T
    left = weight[order].astype(np.float64)
    rounded = np.zeros(left.shape, np.int8)
    for start in range(0, len(left), _BLOCK):
        end = min(start + _BLOCK, len(left))
        errors = np.zeros((end - start, left.shape[1]))
        for row in range(start, end):
            rounded[row] = np.clip(np.round(left[row] / scale), -int8_range.WEIGHT, int8_range.WEIGHT)
            error = (left[row] - rounded[row] * scale) / factor[row, row]
            errors[row - start] = error
            left[row + 1 : end] -= np.outer(factor[row, row + 1 : end], error)
        left[end:] -= factor[start:end, end:].T @ errors
    return rounded[np.argsort(order)]
