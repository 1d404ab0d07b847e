"""`int8-token`: int8 products in which every token has a scale of its own, so that no token depends on another.

    x ─▶ Mul(1 / smoothing) ─▶ Mul(1 / row's largest) ─▶ QuantizeLinear ─▶ MatMulIntegerToFloat ─▶ Mul(row's largest)

Dynamic int8 takes one scale over a whole batch: one token with a large activation, and transformers have such
tokens, costs all others their resolution, strangers' texts in the batch among them. Here the step of the quantizer is
fixed and each row is brought to it. What enters an attention has one fixed scale instead, since onnxruntime's fused
QAttention takes one; behind a LayerNorm that is enough.

Three things are fitted on calibration texts: the smoothing, which moves large channels from activations to weights
(SmoothQuant: Xiao et al. 2022, arXiv:2211.10438; here the exponent is chosen for each product), the rounding
(rounding.py), and the fixed scales. MiniLM-L6: cosine to fp32 0.9995 where dynamic int8 has 0.995, at the same speed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from shortlist.export import calibration, graphs, rounding
from shortlist.export.errors import ExportError
from shortlist.export.products import Floats, Product, Surgery, find, grid, normalized, on_grid
from shortlist.export.running import Feeds

_EXPONENTS = (None, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the smoothing; None: no smoothing
_TRIED_ROWS = 512
_SIGNED = -0.6  # lowest share of a row's largest value from which its sign can be left out of account
_MARGIN = 1.02  # of a fixed range over what was seen
_SMALLEST = 1e-6
_REDUCE_AXES_ARE_INPUTS = 18  # opset
_QATTENTION = {"num_heads", "mask_filter_value", "unidirectional", "scale"}


@dataclass(frozen=True, slots=True)
class _Fitted:
    smoothing: Floats | None  # float32 [width]
    weight: NDArray[np.int8]
    scale: Floats  # float32 [columns]
    low: float
    high: float
    signed: bool
    correction: Floats  # float32 [columns], what rounding moved the mean by


class Quantizer:
    """Fit every product of one graph, then write the graph with any of them left in fp32."""

    precision = "int8, one scale a token"

    def __init__(self, source: Path, given: Iterable[Feeds], scratch: Path) -> None:
        """Run the calibration texts and fit the products; `scratch` is a folder for files in between.

        Raises:
            ExportError: the graph has no product with constant weights.
        """
        self._source = source
        self.products = find(graphs.load(source))
        if not self.products:
            raise ExportError("the graph has no matrix product with weights to quantize")
        rows = calibration.capture(source, list(dict.fromkeys(p.data for p in self.products)), given, scratch)
        self._fitted = {product.name: _fit(product, rows[product.data]) for product in self.products}

    def write(self, target: Path, keep: Collection[str] = ()) -> None:
        """Write the graph; the products named in `keep` stay fp32."""
        model = graphs.load(self._source)
        surgery = _Surgery(model)
        for product in self.products:
            if product.name not in keep:
                surgery.quantize(product, self._fitted[product.name])
        surgery.finish()
        graphs.save(model, target)


def _fit(product: Product, rows: Floats) -> _Fitted:
    """Choose the smoothing that changes the product least, then round the weights for it."""
    norms = np.linalg.norm(rows @ product.weight, axis=1, keepdims=True)
    rows, norms = rows[norms[:, 0] > 0], norms[norms[:, 0] > 0]
    tried = [_tried(product, rows, norms, exponent) for exponent in _EXPONENTS]
    _, smoothing, low, high, signed = min(tried, key=lambda one: one[0])
    weight = product.weight if smoothing is None else product.weight * smoothing[:, None]
    scale = rounding.scales(weight)
    quantized = _activations(product, rows, smoothing, low, high, signed=signed)
    rounded = rounding.compensated(quantized / norms, weight, scale)
    change = quantized @ (rounded * scale) - rows @ product.weight
    correction: Floats = -change.mean(axis=0).astype(np.float32)
    return _Fitted(smoothing, rounded, scale, low, high, signed, correction)


def _tried(
    product: Product, rows: Floats, norms: Floats, exponent: float | None
) -> tuple[float, Floats | None, float, float, bool]:
    """Return the mean squared change of a row, relative to its length, and what was fitted."""
    smoothing = None if exponent is None else _smoothing(rows, product.weight, exponent)
    smooth = rows if smoothing is None else rows / smoothing
    if product.fused:
        low, high, signed = float(min(smooth.min(), 0)) * _MARGIN, float(max(smooth.max(), 0)) * _MARGIN, False
    else:
        shares = smooth.min(axis=1) / np.maximum(smooth.max(axis=1), _SMALLEST)
        signed = bool(shares.min() < _SIGNED)
        low, high = (-1.0, 1.0) if signed else (min(float(shares.min()), 0.0), 1.0)
    weight = product.weight if smoothing is None else product.weight * smoothing[:, None]
    scale = rounding.scales(weight)
    some = rows[:_TRIED_ROWS]
    found = _activations(product, some, smoothing, low, high, signed=signed) @ (
        rounding.nearest(weight, scale) * scale
    )
    change = (found - some @ product.weight) / norms[:_TRIED_ROWS]
    return float((change**2).sum(axis=1).mean()), smoothing, low, high, signed


def _smoothing(rows: Floats, weight: Floats, exponent: float) -> Floats:
    inputs = np.maximum(np.abs(rows).max(axis=0), _SMALLEST)
    outputs = np.maximum(np.abs(weight).max(axis=1), _SMALLEST)
    factors = inputs**exponent / outputs ** (1 - exponent)
    return normalized(factors)


def _activations(
    product: Product, rows: Floats, smoothing: Floats | None, low: float, high: float, *, signed: bool
) -> Floats:
    """Return what the quantized graph makes of the rows before its product, scaled back."""
    smooth = rows if smoothing is None else rows / smoothing
    largest = np.ones((len(rows), 1), np.float32)
    if not product.fused:
        largest = np.maximum((np.abs(smooth) if signed else smooth).max(axis=1, keepdims=True), _SMALLEST)
    return on_grid(smooth / largest, *grid(low, high)) * largest


class _Surgery(Surgery):
    """Replace products, one at a time."""

    def quantize(self, product: Product, fitted: _Fitted) -> None:
        old = self.node(product.name)
        at = f"{product.name}/int8"
        new: list[onnx.NodeProto] = []
        data = product.data
        if fitted.smoothing is not None:
            data = self.add(new, "Mul", [data, self.constant(f"{at}/smooth", 1 / fitted.smoothing)], f"{at}/smoothed")
        if not product.fused:
            largest = self._largest(new, data, at, signed=fitted.signed)
            shrunk = self.add(new, "Reciprocal", [largest], f"{at}/shrunk")
            data = self.add(new, "Mul", [data, shrunk], f"{at}/scaled")
        step, zero = grid(fitted.low, fitted.high)
        steps = [self.constant(f"{at}/step", step), self.constant(f"{at}/zero", np.uint8(zero))]
        quantized = self.add(new, "QuantizeLinear", [data, *steps], f"{at}/quantized")
        weight = self.constant(f"{at}/weight", fitted.weight)
        scale = self.constant(f"{at}/scale", fitted.scale)
        zeros = self.constant(f"{at}/zeros", np.zeros(len(fitted.scale), np.int8))
        if product.fused:
            bias = numpy_helper.to_array(self.weights[old.input[2]]) + fitted.correction
            mask = old.input[3] if len(old.input) > 3 else ""  # noqa: PLR2004 (the fourth input)
            inputs = [quantized, weight, self.constant(f"{at}/bias", bias), steps[0], scale, mask, steps[1], zeros]
            kept = {
                entry.name: helper.get_attribute_value(entry) for entry in old.attribute if entry.name in _QATTENTION
            }
            new.append(helper.make_node("QAttention", inputs, list(old.output), at, domain="com.microsoft", **kept))
        else:
            inputs = [quantized, weight, steps[0], scale, steps[1], zeros]
            made = self.add(new, "MatMulIntegerToFloat", inputs, f"{at}/product", domain="com.microsoft")
            new.append(helper.make_node("Mul", [made, largest], list(old.output), f"{at}/back"))
        self.replace(product.name, new)

    def _largest(self, new: list[onnx.NodeProto], data: str, at: str, *, signed: bool) -> str:
        """Add what finds each row's largest value, never 0."""
        values = self.add(new, "Abs", [data], f"{at}/absolute") if signed else data
        if self.opset >= _REDUCE_AXES_ARE_INPUTS:
            axes = self.constant(f"{at}/axes", np.array([-1], np.int64))
            found = self.add(new, "ReduceMax", [values, axes], f"{at}/largest", keepdims=1)
        else:
            found = self.add(new, "ReduceMax", [values], f"{at}/largest", keepdims=1, axes=[-1])
        return self.add(new, "Max", [found, self.constant(f"{at}/least", np.float32(_SMALLEST))], f"{at}/row")
