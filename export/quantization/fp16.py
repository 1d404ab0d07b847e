"""`fp16`: half precision for GPUs. Inputs and the last number stay as they are, so that callers see no difference."""

from pathlib import Path

from onnxruntime.transformers.float16 import convert_float_to_float16

from shortlist.export import graphs
from shortlist.export.silence import quiet

PRECISION = "fp16"


def convert(source: Path, target: Path) -> None:
    """Write a copy of a graph in half precision."""
    with quiet():
        model = convert_float_to_float16(graphs.load(source), keep_io_types=True)
    graphs.save(model, target)
