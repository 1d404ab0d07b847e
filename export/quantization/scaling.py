"""How the rows of a product come to uint8: one scale for all tokens, or one for each, behind a smoothing.

A scale for each token costs six passes over the rows and their result, a scale for all nothing; but a token with an
activation that is far larger than the others then takes the others their resolution. So both are tried on calibration
texts, and `chosen` takes one for all where that costs least.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import rounding
from .calibration import Rows
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


def chosen(products: Sequence[Product], rows: Rows, more_change: float) -> dict[str, Scaling]:
    """Choose each product's scaling, by its name.

    Args:
        products: of one graph.
        rows: of calibration texts, by the name of a product's input.
        more_change: what one scale for all tokens may add to the changes of all products together, as a share of what
            a scale for each token costs. It is spent where it costs least.
    """
    fixed = {product.name: best(product, rows[product.data], fixed=True) for product in products}
    found = {
        # What enters a fused attention has one scale, since onnxruntime's QAttention takes one.
        product.name: fixed[product.name] if product.fused else best(product, rows[product.data], fixed=False)
        for product in products
    }
    left = more_change * sum(scaling.change for scaling in found.values())
    more = {name: fixed[name].change - scaling.change for name, scaling in found.items() if not scaling.fixed}
    for name in sorted(more, key=lambda name: more[name]):
        left -= max(0.0, more[name])
        if left < 0:
            break
        found[name] = fixed[name]
    return found


def best(product: Product, rows: Floats, *, fixed: bool) -> Scaling:
    """Return the scaling whose smoothing changes the product least."""
    rows, lengths = nonzero(product, rows)
    tried = [_tried(product, rows, lengths, exponent, fixed=fixed) for exponent in _EXPONENTS]
    return min(tried, key=lambda scaling: scaling.change)


def nonzero(product: Product, rows: Floats) -> tuple[Floats, Floats]:
    """Return the rows whose product is not zero, and the lengths of their products, float32 [rows, 1]."""
    lengths = np.linalg.norm(rows @ product.weight, axis=1, keepdims=True)
    return rows[lengths[:, 0] > 0], lengths[lengths[:, 0] > 0]


def _tried(product: Product, rows: Floats, lengths: Floats, exponent: float | None, *, fixed: bool) -> Scaling:
    """Return the scaling with one smoothing."""
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
    some = rows[:_TRIED_ROWS]
    after = found.quantized(some) @ (rounding.nearest(weight, scale) * scale)
    change = (after - some @ product.weight) / lengths[:_TRIED_ROWS]
    return dataclasses.replace(found, change=float((change**2).sum(axis=1).mean()))


def _smoothing(rows: Floats, weight: Floats, exponent: float) -> Floats:
    inputs = np.maximum(np.abs(rows).max(axis=0), SMALLEST)
    outputs = np.maximum(np.abs(weight).max(axis=1), SMALLEST)
    factors = inputs**exponent / outputs ** (1 - exponent)
    return normalized(factors)
