"""How the rows of a product come to uint8: one scale for all tokens, or one for each, behind a smoothing.

A scale for each token costs six passes over the rows and their result, a scale for all nothing; but a token with an
activation that is far larger than the others then takes the others their resolution. So both are tried on calibration
texts, and `chosen` takes one for all where that costs least.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from . import rounding
from .products import Floats, Product, grid, normalized, on_grid

_EXPONENTS = (None, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the smoothing; None: no smoothing
_TRIED_ROWS = 512
_SIGNED = -0.6  # lowest share of a row's largest value from which its sign can be left out of account
_MARGIN = 1.02  # of a fixed range over what was seen
SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class Scaling:
    """How rows are brought to uint8."""

    change: float  # mean squared change of a row of the product, relative to its length
    smoothing: Floats | None  # float32 [width]
    low: float
    high: float
    signed: bool  # a row's largest value is taken without its sign
    fixed: bool  # one scale for all rows, else each has its own

    def quantized(self, rows: Floats) -> Floats:
        """Return what the quantized graph makes of rows before their product, scaled back."""
        smooth = rows if self.smoothing is None else rows / self.smoothing
        largest = np.ones((len(rows), 1), np.float32)
        if not self.fixed:
            largest = np.maximum((np.abs(smooth) if self.signed else smooth).max(axis=1, keepdims=True), SMALLEST)
        return on_grid(smooth / largest, *grid(self.low, self.high)) * largest

    def smoothed(self, weight: Floats) -> Floats:
        """Return the weights that undo the smoothing: float32 [width, columns]."""
        return weight if self.smoothing is None else weight * self.smoothing[:, None]


def candidates(product: Product, rows: Floats) -> tuple[Scaling, Scaling]:
    """Return the scaling that changes a product least with one scale for all tokens, and with one for each.

    Of a fused attention these are the same, since onnxruntime's QAttention takes one scale for all.
    """
    rows, results = nonzero(product, rows)
    fixed = _best(product, rows, results, fixed=True)
    return fixed, fixed if product.fused else _best(product, rows, results, fixed=False)


def chosen(found: Mapping[str, tuple[Scaling, Scaling]], more_change: float) -> dict[str, Scaling]:
    """Choose each product's scaling, by its name.

    Args:
        found: the candidates of each product of one graph.
        more_change: what one scale for all tokens may add to the changes of all products together, as a share of what
            a scale for each token costs. It is spent where it costs least.
    """
    taken = {name: own for name, (_, own) in found.items()}
    left = more_change * sum(own.change for own in taken.values())
    more = {name: fixed.change - own.change for name, (fixed, own) in found.items() if not own.fixed}
    for name in sorted(more, key=lambda name: more[name]):
        left -= max(0.0, more[name])
        if left < 0:
            break
        taken[name] = found[name][0]
    return taken


def nonzero(product: Product, rows: Floats) -> tuple[Floats, Floats]:
    """Return the rows whose product is not zero, and their products, float32 [rows, columns]."""
    results = rows @ product.weight
    some = results.any(axis=1)
    return rows[some], results[some]


def _best(product: Product, rows: Floats, results: Floats, *, fixed: bool) -> Scaling:
    """Return the scaling whose smoothing changes the product least."""
    tried = [_tried(product, rows, results[:_TRIED_ROWS], exponent, fixed=fixed) for exponent in _EXPONENTS]
    return min(tried, key=lambda scaling: scaling.change)


def _tried(product: Product, rows: Floats, results: Floats, exponent: float | None, *, fixed: bool) -> Scaling:
    """Return the scaling with one smoothing, tried on the rows that have results."""
    smoothing = None if exponent is None else _smoothing(rows, product.weight, exponent)
    smooth = rows if smoothing is None else rows / smoothing
    if fixed:
        low, high, signed = float(min(smooth.min(), 0)) * _MARGIN, float(max(smooth.max(), 0)) * _MARGIN, False
    else:
        shares = smooth.min(axis=1) / np.maximum(smooth.max(axis=1), SMALLEST)
        signed = bool(shares.min() < _SIGNED)
        low, high = (-1.0, 1.0) if signed else (min(float(shares.min()), 0.0), 1.0)
    found = Scaling(0.0, smoothing, low, high, signed, fixed)
    weight = found.smoothed(product.weight)
    scale = rounding.scales(weight)
    after = found.quantized(rows[: len(results)]) @ (rounding.nearest(weight, scale) * scale)
    changes = ((after - results) ** 2).sum(axis=1) / (results**2).sum(axis=1)
    return dataclasses.replace(found, change=float(changes.mean()))


def _smoothing(rows: Floats, weight: Floats, exponent: float) -> Floats:
    inputs = np.maximum(np.abs(rows).max(axis=0), SMALLEST)
    outputs = np.maximum(np.abs(weight).max(axis=1), SMALLEST)
    factors = inputs**exponent / outputs ** (1 - exponent)
    return normalized(factors)
