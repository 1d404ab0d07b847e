"""`int8-token`: int8 products in which a token has a scale of its own, so that no token depends on another.

    x ─▶ Mul(1 / smoothing) ─▶ Mul(1 / row's largest) ─▶ QuantizeLinear ─▶ MatMulIntegerToFloat ─▶ Mul(row's largest)
    x ─▶ Mul(1 / smoothing) ─▶ QuantizeLinear ─▶ MatMulIntegerToFloat(bias)            where one scale for all will do

onnxruntime's dynamic int8 takes one scale over a whole batch: one token with a large activation, and transformers
have such tokens, costs all others their resolution, strangers' texts in the batch among them. Here the step of the
quantizer is fixed and each row is brought to it, or all rows have one scale that is fixed too (scaling.py chooses).

Three things are fitted on calibration texts: the smoothing, which moves large channels from activations to weights
(SmoothQuant: Xiao et al. 2022, arXiv:2211.10438; here the exponent is chosen for each product), the rounding
(rounding.py), and the fixed scales. The smoothing behind an attention is a part of its values' scales, free of cost.
MiniLM-L6: cosine to fp32 0.9992 where dynamic int8 has 0.994, and faster, since nothing is measured over a batch.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from shortlist.export import graphs
from shortlist.export.errors import ExportError
from shortlist.export.inference import Feeds, each

from . import calibration, int8_range, rounding, scaling
from .products import Floats, Product, Surgery, find, grid
from .scaling import Scaling

MORE_CHANGE = (0.2, 0.05, 0.0)  # see `scaling.chosen`; the fastest first
_REDUCE_AXES_ARE_INPUTS = 18  # opset
_QATTENTION = {"num_heads", "mask_filter_value", "unidirectional", "scale"}


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A product's int8 weights, and how its rows are quantized."""

    scaling: Scaling
    weight: NDArray[np.int8]
    scale: Floats  # float32 [columns]
    correction: Floats  # float32 [columns], what rounding moved the mean by


class Fitting:
    """What is fitted to one graph's products; each is rounded when it is first asked for."""

    def __init__(self, source: Path, given: Iterable[Feeds], scratch: Path) -> None:
        """Run the calibration texts; `scratch` is a folder for files in between.

        Raises:
            ExportError: the graph has no product with constant weights.
        """
        self.source = source
        self.products = find(graphs.load(source))
        if not self.products:
            raise ExportError("the graph has no matrix product with weights to quantize")
        self.rows = calibration.capture(source, list(dict.fromkeys(p.data for p in self.products)), given, scratch)
        found = each(lambda product: scaling.candidates(product, self.rows[product.data]), self.products)
        self.scalings = {product.name: both for product, both in zip(self.products, found, strict=True)}
        self._fitted: dict[tuple[str, bool], _Fitted] = {}

    def fitted(self, product: Product, scaled: Scaling) -> _Fitted:
        """Return a product's int8 weights, rounded for its rows as they are quantized."""
        key = product.name, scaled.fixed
        if key not in self._fitted:
            self._fitted[key] = _fit(product, self.rows[product.data], scaled)
        return self._fitted[key]


class Quantizer:
    """A writer of the graph with its products in int8, or with any of them left in fp32."""

    def __init__(self, fitting: Fitting, more_change: float) -> None:
        """Choose the scales; `more_change` is what one scale for all tokens may cost, see `scaling.chosen`."""
        self._fitting = fitting
        self.products = fitting.products
        self._scalings = scaling.chosen(fitting.scalings, more_change)
        own = sum(not self._scalings[product.name].fixed for product in self.products)
        self.precision = f"{int8_range.PRECISION}, one scale a token in {own} of {len(self.products)} products"

    def write(self, target: Path, keep: Collection[str] = ()) -> None:
        """Write the graph; the products named in `keep` stay fp32."""
        model = graphs.load(self._fitting.source)
        surgery = _Surgery(model)
        quantized = [product for product in self.products if product.name not in keep]
        folded = self._folded(quantized, surgery)
        fitted = each(lambda product: self._fitting.fitted(product, self._scalings[product.name]), quantized)
        for product, one in zip(quantized, fitted, strict=True):
            surgery.quantize(product, one, folded)
        surgery.finish()
        graphs.save(model, target)

    def _folded(self, quantized: list[Product], surgery: Surgery) -> dict[str, Floats]:
        """Return the smoothing that an attention can bring along, since one product alone reads it."""
        attentions = {product.name for product in quantized if product.fused}
        return {
            product.data: smoothing
            for product in quantized
            if product.data in attentions
            and len(surgery.users(product.data)) == 1
            and (smoothing := self._scalings[product.name].smoothing) is not None
        }


def _fit(product: Product, rows: Floats, scaled: Scaling) -> _Fitted:
    rows, results = scaling.nonzero(product, rows)
    weight = scaled.smoothed(product.weight)
    scale = rounding.scales(weight)
    quantized = scaled.quantized(rows)
    rounded = rounding.compensated(quantized / np.linalg.norm(results, axis=1, keepdims=True), weight, scale)
    change = quantized @ (rounded * scale) - results
    correction: Floats = -change.mean(axis=0).astype(np.float32)
    return _Fitted(scaled, rounded, scale, correction)


class _Surgery(Surgery):
    """The replacement of products, one at a time."""

    def quantize(self, product: Product, fitted: _Fitted, folded: Mapping[str, Floats]) -> None:
        """Put int8 in the place of a product.

        Args:
            product: which.
            fitted: its weights and scales.
            folded: smoothing that an attention's values bring with them, by the attention's name.
        """
        at, scaled = f"{product.name}/int8", fitted.scaling
        new: list[onnx.NodeProto] = []
        data, largest = product.data, ""
        if scaled.smoothing is not None and data not in folded:
            data = self.add(new, "Mul", [data, self.constant(f"{at}/smooth", 1 / scaled.smoothing)], f"{at}/smoothed")
        if not scaled.fixed:
            largest = self._largest(new, data, at, signed=scaled.signed)
            shrunk = self.add(new, "Reciprocal", [largest], f"{at}/shrunk")
            data = self.add(new, "Mul", [data, shrunk], f"{at}/scaled")
        step, zero = grid(scaled.low, scaled.high)
        fixed = [self.constant(f"{at}/step", step), self.constant(f"{at}/zero", np.uint8(zero))]
        quantized = self.add(new, "QuantizeLinear", [data, *fixed], f"{at}/quantized")
        weight = self.constant(f"{at}/weight", fitted.weight)
        zeros = self.constant(f"{at}/zeros", np.zeros(len(fitted.scale), np.int8))
        if product.fused:
            self._attention(new, product, fitted, [quantized, weight, *fixed, zeros], folded.get(product.name))
            return
        inputs = [quantized, weight, fixed[0], self.constant(f"{at}/scale", fitted.scale), fixed[1], zeros]
        if fitted.scaling.fixed:
            self._biased(new, product, fitted, inputs)
            return
        made = self.add(new, "MatMulIntegerToFloat", inputs, f"{at}/product", domain="com.microsoft")
        self.add(new, "Mul", [made, largest], product.name)
        self.replace(product.name, new)

    def _attention(
        self,
        new: list[onnx.NodeProto],
        product: Product,
        fitted: _Fitted,
        inputs: Sequence[str],
        smoothing: Floats | None,
    ) -> None:
        """Put the fused attention in place; what smooths its values is a part of their columns' scales."""
        old, at = self.node(product.name), f"{product.name}/int8"
        quantized, weight, step, zero, zeros = inputs
        factors = np.ones(len(fitted.scale), np.float32)
        if smoothing is not None:
            factors[-len(smoothing) :] /= smoothing
        bias = (numpy_helper.to_array(self.weights[old.input[2]]) + fitted.correction) * factors
        scale = self.constant(f"{at}/scale", fitted.scale * factors)
        mask = old.input[3] if len(old.input) > 3 else ""  # noqa: PLR2004 (the fourth input)
        given = [quantized, weight, self.constant(f"{at}/bias", bias), step, scale, mask, zero, zeros]
        kept = {entry.name: helper.get_attribute_value(entry) for entry in old.attribute if entry.name in _QATTENTION}
        self.add(new, "QAttention", given, product.name, domain="com.microsoft", **kept)
        self.replace(product.name, new)

    def _biased(self, new: list[onnx.NodeProto], product: Product, fitted: _Fitted, inputs: list[str]) -> None:
        """Put a product with one scale for all rows in place; a bias that follows is a part of it."""
        bias, output = fitted.correction, product.name
        if (adding := self.bias_behind(product.name)) is not None:
            follower, name = adding
            bias, output = bias + numpy_helper.to_array(self.weights[name]), follower
            self.replace(product.name, [])
        named = self.constant(f"{product.name}/int8/bias", bias)
        self.add(new, "MatMulIntegerToFloat", [*inputs, named], output, domain="com.microsoft")
        self.replace(output, new)

    def _largest(self, new: list[onnx.NodeProto], data: str, at: str, *, signed: bool) -> str:
        """Add what finds each row's largest value, never 0."""
        values = self.add(new, "Abs", [data], f"{at}/absolute") if signed else data
        if self.opset >= _REDUCE_AXES_ARE_INPUTS:
            axes = self.constant(f"{at}/axes", np.array([-1], np.int64))
            found = self.add(new, "ReduceMax", [values, axes], f"{at}/largest", keepdims=1)
        else:
            found = self.add(new, "ReduceMax", [values], f"{at}/largest", keepdims=1, axes=[-1])
        return self.add(new, "Max", [found, self.constant(f"{at}/least", np.float32(scaling.SMALLEST))], f"{at}/row")
