"""What a server over a data folder has behind its RPCs, without the server."""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.server import app, cores
from shortlist.server.inference.models import Embedder
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.settings import Settings

from .study import Bundles

Floats = NDArray[np.float32]


@contextlib.contextmanager
def opened(data: Path, bundles: Bundles) -> Iterator[Pipeline]:
    """Yield what a server over a data folder has behind its RPCs."""
    parts = app.build(Settings(embedder=bundles.embedder, reranker=bundles.reranker, data=data))
    try:
        yield parts.pipeline
    finally:
        parts.close()


def embedded(model: Embedder, texts: Sequence[str], kind: Literal["query", "document"]) -> tuple[Floats, list[int]]:
    """Return the vectors of texts as the server makes them, float32 [texts, dimensions], and their tokens."""
    items = model.tokenizer.encode(model.prefixed(texts, kind))
    with ThreadPoolExecutor(cores.usable()) as pool:
        return np.concatenate(list(pool.map(lambda item: model.graph.run([item]), items))), list(map(len, items))
