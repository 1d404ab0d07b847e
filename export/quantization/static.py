"""`int8-static`: int8 products with fixed scales, in the form that OpenVINO compiles into its own int8 kernels.

    x ─▶ Mul(1 / smoothing) ─▶ QuantizeLinear ─▶ DequantizeLinear ─┐
                               int8 weights ─▶ DequantizeLinear ─▶ MatMul ─▶ Add(bias + correction)

Made from the graph as it was traced: OpenVINO fuses for itself, and takes onnxruntime's fused operators as they are.
Every product has int8 weights, one scale a column. What goes into a product has one fixed scale, from calibration
texts, behind a smoothing by the largest value of each channel (SmoothQuant: Xiao et al. 2022, arXiv:2211.10438, with
no part of the weights in it), which products with the same input share. The mean error goes into the bias.

Products that narrow, a feed-forward layer's second one, keep fp32 activations: behind the activation function a few
values are far larger than the others, and one scale for all takes the rest their resolution. OpenVINO quantizes these
in groups of 128 at run time (DYNAMIC_QUANTIZATION_GROUP_SIZE, see server/runtime/providers.py).

Embeddings, the products inside attention, LayerNorm and heads stay fp32. No scale is taken over a batch. TensorRT
takes int8 with a zero point of 0 alone, and unsigned not at all, so this is not for it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, version_converter

from shortlist.export import first_token_only, graphs
from shortlist.export.inference import Feeds, each

from . import calibration, int8_range, rounding
from .products import Floats, Product, Surgery, find, grid, normalized, on_grid

_EXPONENT = 0.75  # of the smoothing; 1 would leave every channel as large as the next, and the weights all the range
_SMALLEST = 1e-4
_TOKENS = 3  # axes of [batch, sequence, channels]; a head's inputs have fewer
_LEAST_OPSET = 13  # whose DequantizeLinear has scales by column


@dataclass(frozen=True, slots=True)
class _Scaled:
    """What happens to an input on its way into products."""

    smoothing: Floats  # float32 [width]
    step: np.float32
    zero: int


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A product's int8 weights."""

    weight: NDArray[np.int8]
    scale: Floats  # float32 [columns]
    correction: Floats | None  # float32 [columns], what rounding moved the mean by; None: fp32 activations


class StaticQuantizer:
    """One graph's products, all fitted; it writes the graph with any of them left in fp32."""

    def __init__(self, source: Path, given: Iterable[Feeds], scratch: Path) -> None:
        """Run the calibration texts and fit the products.

        Args:
            source: a graph without fused operators.
            given: the calibration texts.
            scratch: folder for files in between.
        """
        self._source = scratch / "unfused.onnx"
        model = _prepared(graphs.load(source))
        graphs.save(model, self._source)
        ranks = graphs.ranks(model)
        self.products = [one for one in find(model) if ranks.get(one.data, _TOKENS) == _TOKENS and not one.fused]
        self.precision = f"{int8_range.PRECISION}, fixed scales" if self.products else "fp32, nothing to quantize"
        inputs: dict[str, list[Product]] = {}
        for product in self.products:
            inputs.setdefault(product.data, []).append(product)
        rows = calibration.capture(self._source, list(inputs), given, scratch) if inputs else {}
        self._scaled = {name: None if _narrows(users) else _scaled(rows[name]) for name, users in inputs.items()}
        fitted = each(lambda one: _fit(one, rows[one.data], self._scaled[one.data]), self.products)
        self._fitted = {product.name: one for product, one in zip(self.products, fitted, strict=True)}

    def write(self, target: Path, keep: Collection[str] = ()) -> None:
        """Write the graph; the products named in `keep` stay fp32."""
        model = graphs.load(self._source)
        surgery = Surgery(model)
        ready: dict[str, str] = {}  # inputs that were quantized, by the name of what they were
        for product in self.products:
            if product.name not in keep:
                _replace(surgery, product, self._fitted[product.name], self._scaled[product.data], ready)
                _correct(surgery, product, self._fitted[product.name].correction)
        surgery.finish()
        graphs.save(model, target)


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph in an opset that has what is put in, its last layer for the first token where that is all."""
    if graphs.opset(model) < _LEAST_OPSET:
        model = version_converter.convert_version(model, _LEAST_OPSET)
    first_token_only.narrow(model)

    return model


def _narrows(users: Iterable[Product]) -> bool:
    return all(product.weight.shape[0] > product.weight.shape[1] for product in users)


def _scaled(rows: Floats) -> _Scaled:
    """Fit an input's smoothing and its scale."""
    smoothing = normalized(np.maximum(np.abs(rows).max(axis=0), _SMALLEST) ** _EXPONENT)
    smooth = rows / smoothing
    return _Scaled(smoothing, *grid(min(float(smooth.min()), 0.0), max(float(smooth.max()), 0.0)))


def _fit(product: Product, rows: Floats, scaled: _Scaled | None) -> _Fitted:
    """Round the weights so that the product changes least."""
    norms = np.maximum(np.linalg.norm(rows @ product.weight, axis=1, keepdims=True), _SMALLEST)
    if scaled is None:
        scale = rounding.scales(product.weight)
        return _Fitted(rounding.compensated(rows / norms, product.weight, scale), scale, None)
    weight = product.weight * scaled.smoothing[:, None]
    scale = rounding.scales(weight)
    quantized = on_grid(rows / scaled.smoothing, scaled.step, scaled.zero)
    rounded = rounding.compensated(quantized / norms, weight, scale)
    change = quantized @ (rounded * scale) - rows @ product.weight
    return _Fitted(rounded, scale, np.asarray(-change.mean(axis=0), np.float32))


def _replace(
    surgery: Surgery, product: Product, fitted: _Fitted, scaled: _Scaled | None, ready: dict[str, str]
) -> None:
    """Give a product int8 weights, and its input the fixed scale unless it has one already."""
    new: list[onnx.NodeProto] = []
    at = f"{product.data}/int8"
    if scaled is not None and product.data not in ready:
        smooth = surgery.constant(f"{at}/smooth", 1 / scaled.smoothing)
        fixed = [surgery.constant(f"{at}/step", scaled.step), surgery.constant(f"{at}/zero", np.uint8(scaled.zero))]
        smoothed = surgery.add(new, "Mul", [product.data, smooth], f"{at}/smoothed")
        quantized = surgery.add(new, "QuantizeLinear", [smoothed, *fixed], f"{at}/quantized")
        ready[product.data] = surgery.add(new, "DequantizeLinear", [quantized, *fixed], f"{at}/back")
    at = f"{product.name}/int8"
    weight = [
        surgery.constant(f"{at}/weight", fitted.weight),
        surgery.constant(f"{at}/scale", fitted.scale),
        surgery.constant(f"{at}/zeros", np.zeros(len(fitted.scale), np.int8)),
    ]
    back = surgery.add(new, "DequantizeLinear", weight, f"{at}/back", axis=1)
    surgery.add(new, "MatMul", [ready.get(product.data, product.data), back], product.name)
    surgery.replace(product.name, new)


def _correct(surgery: Surgery, product: Product, correction: Floats | None) -> None:
    """Add a correction to the bias behind a product."""
    found = surgery.bias_behind(product.name)
    if found is None or correction is None:
        return
    addition, name = found
    corrected = surgery.constant(f"{addition}/int8/bias", numpy_helper.to_array(surgery.weights[name]) + correction)
    surgery.replace(addition, [helper.make_node("Add", [product.name, corrected], [addition], f"{addition}/int8")])
