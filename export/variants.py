"""The variants: how each is made, and on which execution provider it is judged and timed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from shortlist.export import half, quantize, search, weight_only
from shortlist.export.gate import Gate, Judged
from shortlist.export.running import Feeds
from shortlist.export.settings import VARIANTS
from shortlist.export.static import StaticQuantizer
from shortlist.export.token_scaled import MORE_CHANGE, Fitting, Quantizer
from shortlist.server.providers import KINDS
from shortlist.server.settings import Provider

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Material:
    """Hold what a variant is made from."""

    fp32: Path  # fused where onnxruntime can
    traced: Path  # as it was before
    scratch: Path
    calibration: tuple[Feeds, ...]
    gate: Gate
    progress: Progress


@dataclass(frozen=True, slots=True)
class Made:
    """Say what was made."""

    precision: str
    judged: Judged
    provider: Provider = "cpu"  # that it was judged on


def home(name: str) -> Provider:
    """Return where a variant is judged and timed: a provider on CPUs that it is made for if that is here, else cpu.

    A GPU's variants are judged on the CPU too: an export need not run where the GPU is.
    """
    there = ort.get_available_providers()
    on_cpus = [provider for provider, kind in KINDS.items() if kind.name in there and not kind.gpu]
    return next((provider for provider in on_cpus if provider in VARIANTS[name]), "cpu")


def _int8(material: Material, target: Path) -> Made:
    quantize.quantize(material.fp32, target, material.scratch)
    return Made(quantize.PRECISION, material.gate.judge(target))


def _int8_weight(material: Material, target: Path) -> Made:
    weight_only.quantize(material.fp32, target)
    return Made(weight_only.PRECISION, material.gate.judge(target))


def _int8_token(material: Material, target: Path) -> Made:
    fitting = Fitting(material.fp32, material.calibration, material.scratch)
    quantizers = [Quantizer(fitting, more_change) for more_change in MORE_CHANGE]
    kept = search.fewest_in_fp32(quantizers, target, material.gate, "cpu", material.scratch, material.progress)
    return Made(kept.precision, kept.judged)


def _int8_static(material: Material, target: Path) -> Made:
    quantizer = StaticQuantizer(material.traced, material.calibration, material.scratch)
    where = home("int8-static")
    kept = search.fewest_in_fp32([quantizer], target, material.gate, where, material.scratch, material.progress)
    return Made(kept.precision, kept.judged, where)


def _fp16(material: Material, target: Path) -> Made:
    half.convert(material.fp32, target)
    return Made(half.PRECISION, material.gate.judge(target))


MAKERS: Mapping[str, Callable[[Material, Path], Made]] = {
    "int8": _int8,
    "int8-weight": _int8_weight,
    "int8-token": _int8_token,
    "int8-static": _int8_static,
    "fp16": _fp16,
}
