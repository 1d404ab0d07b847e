"""Which products stay in fp32: the fewest, worst first, with which a variant passes the gate.

all in int8 -> passes? -> all in int8, more carefully -> passes?
            -> [each product alone in int8: what does it change?] -> leave out the worst 1, 2, 3, ...
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shortlist.export.quantization.products import Fitted, Product
from shortlist.server.settings import Provider

from .gate import Gate, Judged

_MOST_KEPT = 0.25  # of all products; beyond it the variant has little left to win
_FIRST_STEPS = 4  # products that are left out one by one; then an eighth more each time
_PROGRESS_EVERY = 8  # products: some ten seconds


@dataclass(frozen=True, slots=True)
class Kept:
    """The outcome: the precision of the graph that was written, and its judgement."""

    precision: str
    judged: Judged


def fewest_in_fp32(
    quantizers: Sequence[Fitted],
    target: Path,
    gate: Gate,
    provider: Provider,
    scratch: Path,
    progress: Callable[[str], None],
) -> Kept:
    """Write a graph, with as few products in fp32 as pass the gate on a provider.

    Where no number of them passes, everything is quantized: the variant that fails is at least the fastest.

    Args:
        quantizers: of the same products, the fastest first, the most careful last.
        target: where to write.
        gate: the texts that judge.
        provider: where the graph runs.
        scratch: folder for files in between.
        progress: takes one line a step.
    """
    whole: list[Kept] = []
    for quantizer in quantizers:
        quantizer.write(target)
        whole.append(Kept(quantizer.precision, gate.judge(target, provider)))
        if not whole[-1].judged.missed or not quantizer.products:
            return whole[-1]
        progress(f"      Tried {quantizer.precision}: {whole[-1].judged.missed}; going on more carefully")
    worst = _worst(quantizers[-1], gate, provider, scratch, progress)
    for count in _counts(len(worst)):
        quantizers[-1].write(target, {product.name for product in worst[:count]})
        judged = gate.judge(target, provider)
        if not judged.missed:
            labels = ", ".join(product.label for product in worst[:count])
            progress(f"      Passes with {count} of {len(worst)} products in fp32: {labels}")
            return Kept(f"{quantizers[-1].precision}; fp32: {labels}", judged)
        progress(f"      Tried {count} of {len(worst)} products in fp32: {judged.missed}")
    progress(f"      No {_counts(len(worst))[-1]} products left in fp32 make it pass")
    quantizers[0].write(target)
    return whole[0]


def _worst(
    quantizer: Fitted, gate: Gate, provider: Provider, scratch: Path, progress: Callable[[str], None]
) -> list[Product]:
    """Return the products, the one that changes the results most when it alone is quantized first."""
    trial = scratch / "one.onnx"
    everything = {product.name for product in quantizer.products}
    changes: dict[str, float] = {}
    for product in quantizer.products:
        if len(changes) % _PROGRESS_EVERY == 0:
            progress(f"      Looking for the products that lose most: {len(changes)} of {len(everything)} tried")
        quantizer.write(trial, everything - {product.name})
        changes[product.name] = gate.change(trial, provider)
    return sorted(quantizer.products, key=lambda product: -changes[product.name])


def _counts(products: int) -> list[int]:
    most = max(1, int(products * _MOST_KEPT))
    step = max(1, products // 8)
    return [*range(1, min(_FIRST_STEPS, most) + 1), *range(_FIRST_STEPS + step, most + 1, step)]
