"""`int8-weight`: weights in int8, one scale for 32 of them; the kernel brings activations to int8 by row and block.

onnxruntime's MatMulNBits with 8 bits. It loses next to nothing and its results never depend on the batch. How fast it
is depends on the processor more than other variants do: 1.25 to 1.4 times fp32 on one, slower than fp32 on another,
both with AVX-512 VNNI. A fused attention keeps its own product in fp32.
"""

from pathlib import Path

from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from shortlist.export import graphs
from shortlist.export.silence import quiet

PRECISION = "int8 weights in blocks of 32"

_BITS = 8
_BLOCK = 32
_INT8_ACTIVATIONS = 4  # accuracy_level: what is multiplied is int8, not fp32


def quantize(source: Path, target: Path) -> None:
    """Write a copy of a graph whose products hold int8 weights."""
    with quiet():
        quantizer = MatMulNBitsQuantizer(
            graphs.load(source),
            bits=_BITS,
            block_size=_BLOCK,
            is_symmetric=True,
            accuracy_level=_INT8_ACTIVATIONS,
        )
        quantizer.process()
    graphs.save(quantizer.model.model, target)
