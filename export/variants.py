"""The variants: which are made, how, and on which execution provider each is judged and timed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from shortlist.export.quantization.static import StaticQuantizer
from shortlist.export.quantization.token_scaled import MORE_CHANGE, Fitting, Quantizer
from shortlist.server.errors import first_line
from shortlist.server.runtime import providers
from shortlist.server.runtime.providers import BF16, KINDS
from shortlist.server.settings import Provider

from . import graphs, mixed_precision
from .errors import ExportError
from .gate import Gate, Judged
from .inference import Feeds
from .quantization import fp16
from .settings import VARIANTS, ExportSettings

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Material:
    """What a variant is made from."""

    fp32: Path  # fused where onnxruntime can
    traced: Path  # as it was before
    scratch: Path
    calibration: Sequence[Feeds]
    gate: Gate
    progress: Progress


@dataclass(frozen=True, slots=True)
class Made:
    """The graph that was made, and its judgement."""

    graph: Path
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


def unjudged(name: str) -> str:
    """Return why a variant cannot be judged on this machine; empty: it can."""
    return providers.lacks(home(name), BF16) if name == "bf16" else ""


def _bf16(material: Material, _: Path) -> Made:
    """Judge fp32's graph, run in bf16: there is nothing to write."""
    where = home("bf16")
    return Made(material.fp32, BF16, material.gate.judge(material.fp32, where, BF16), where)


def _int8_token(material: Material, target: Path) -> Made:
    fitting = Fitting(material.fp32, material.calibration, material.scratch)
    quantizers = [Quantizer(fitting, more_change) for more_change in MORE_CHANGE]
    kept = mixed_precision.fewest_in_fp32(
        quantizers, target, material.gate, "cpu", material.scratch, material.progress
    )
    return Made(target, kept.precision, kept.judged)


def _int8_static(material: Material, target: Path) -> Made:
    quantizer = StaticQuantizer(material.traced, material.calibration, material.scratch)
    where = home("int8-static")
    kept = mixed_precision.fewest_in_fp32(
        [quantizer], target, material.gate, where, material.scratch, material.progress
    )
    return Made(target, kept.precision, kept.judged, where)


def _fp16(material: Material, target: Path) -> Made:
    fp16.convert(material.fp32, target)
    return Made(target, fp16.PRECISION, material.gate.judge(target))


MAKERS: Mapping[str, Callable[[Material, Path], Made]] = {
    "bf16": _bf16,
    "int8-token": _int8_token,
    "int8-static": _int8_static,
    "fp16": _fp16,
}


def chosen(settings: ExportSettings) -> list[str]:
    """Return the variants to make beside fp32: what was asked for, else what the installed providers run.

    Raises:
        ExportError: one that was asked for cannot be judged on this machine.
    """
    for name in settings.variants:
        if why := unjudged(name):
            raise ExportError(
                f"{name} cannot be judged here: {why}; leave it out of --variants, or export with"
                " the extra openvino on a CPU that computes in bf16"
            )
    installed = {name for name, kind in KINDS.items() if kind.name in ort.get_available_providers()}
    made = [name for name, targets in VARIANTS.items() if installed & set(targets) and not unjudged(name)]
    return [name for name in settings.variants or made if name != "fp32"]


def make(name: str, material: Material, folder: Path) -> Made:
    """Make a variant and judge it.

    Raises:
        ExportError: its maker cannot, or its provider does not take it; the variant and the remedy are named.
    """
    target = folder / f"{name}.onnx"
    try:
        return MAKERS[name](material, target)
    except Exception as error:  # onnxruntime's quantizers raise anything on a graph that they half know
        graphs.delete(target)
        raise ExportError(f"{name} cannot be made: {first_line(error)}; leave it out with --variants") from error
