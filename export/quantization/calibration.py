"""What flows through a graph: the rows that enter its matrix products, sampled over calibration texts."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from shortlist.export import graphs
from shortlist.export.inference import Feeds, each, session

_ROWS = 2048  # kept of each tensor: enough for scales and second moments, and small for large models
_ROWS_A_RUN = 64
_AT_ONCE = 8  # texts, whose whole rows are in memory

Rows = dict[str, NDArray[np.float32]]  # float32 [rows, width] by tensor


def capture(graph: Path, tensors: Collection[str], given: Iterable[Feeds], scratch: Path) -> Rows:
    """Run a graph and keep rows of some of its tensors.

    Args:
        graph: a fp32 graph.
        tensors: names of tensors inside it, float32 [batch, sequence, width].
        given: what to run it on.
        scratch: folder for a copy that has these tensors as outputs.
    """
    copy = graphs.load(graph)
    copy.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors
    )
    path = scratch / "captured.onnx"
    graphs.save(copy, path)
    running = session(path)
    rng = np.random.default_rng(0)
    kept: dict[str, list[NDArray[np.float32]]] = {name: [] for name in tensors}
    texts = list(given)
    for start in range(0, len(texts), _AT_ONCE):
        for values in each(lambda feeds: running.run_plain(list(tensors), feeds), texts[start : start + _AT_ONCE]):
            for name, value in zip(tensors, values, strict=True):
                rows = value.reshape(-1, value.shape[-1])
                # The first row is the whole text's token: it is unlike all others, and rerankers rest on it.
                others = rng.permutation(np.arange(1, len(rows)))[: _ROWS_A_RUN - 1]
                kept[name].append(rows[[0, *others]])
    graphs.delete(path)
    sampled = {name: np.concatenate(rows) for name, rows in kept.items()}
    return {name: rows[rng.permutation(len(rows))[:_ROWS]] for name, rows in sampled.items()}
