"""Graphs that compute nearly what others do."""

from pathlib import Path

import numpy as np
from onnx import numpy_helper

from shortlist.export import graphs


def damaged(source: Path, target: Path, noise: float) -> Path:
    """Write a copy of a graph with noise on its matrices, relative to each one's spread."""
    model = graphs.load(source)
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 2:
            noisy = values + noise * values.std() * rng.normal(size=values.shape)
            tensor.CopyFrom(numpy_helper.from_array(noisy.astype(np.float32), tensor.name))
    graphs.save(model, target)
    return target
