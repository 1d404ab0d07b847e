"""Exported models at work in a training: quantized, and on all cores, as the server runs them.

A dual encoder embeds every document of a set, and a cross-encoder that teaches reads every pair; PyTorch takes
several times as long for either.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, groupby
from pathlib import Path

import numpy as np

from shortlist.server.fusion import Fusion
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime import bundle, providers, variant_selection
from shortlist.server.runtime.manifest import Kind, TextKind, prefixed
from shortlist.server.runtime.opening import opened
from shortlist.server.runtime.tokens import Encoded, Tokenizer
from shortlist.server.runtime.variant_selection import Timings
from shortlist.server.settings import Settings

from .models import Floats

_AT_ONCE = 512  # texts or pairs between two lines of progress
_QUEUE_TOKENS = 1 << 40  # nothing is refused here


class _Exported:
    """A bundle's fastest variant that passed its gate."""

    def __init__(self, folder: Path, kind: Kind, progress: Callable[[str], None]) -> None:
        settings = Settings(embedder=folder)
        target, stack = providers.target(settings), providers.batch_tokens(settings)
        found = bundle.load(folder, kind)
        with tempfile.TemporaryDirectory() as data:
            timings = Timings(Path(data) / "timings.json")
            self._graph = opened(found, variant_selection.AUTO, target, stack, timings)
        self.name = f"{found.manifest.source.model}, {self._graph.info.variant}"
        self._manifest = found.manifest
        self._tokenizer = Tokenizer(found)
        self._graph.warm_up(self._tokenizer)
        self._slots = target.slots
        self._progress = progress

    def _run(self, parts: Sequence[Callable[[], list[Encoded]]], what: str) -> Floats:
        """Run the model over parts that are encoded when it is their turn; return a row an item."""
        scheduler = Scheduler(self._slots, _QUEUE_TOKENS)
        rows, done = [], 0
        try:
            for part in parts:
                items = part()
                rows.append(scheduler.submit_whole(Lane.INGEST, self._graph, items).result().values)
                done += len(items)
                if len(parts) > 1:
                    self._progress(f"{what} {done}")
        finally:
            scheduler.stop()
        return np.concatenate(rows)


class Embedder(_Exported):
    """An exported dual encoder: texts to vectors of length 1."""

    def __init__(self, folder: Path, progress: Callable[[str], None]) -> None:
        """Load it.

        Raises:
            BundleError: the folder holds no embedder's bundle.
        """
        super().__init__(folder, "embedder", progress)

    def queries(self, texts: list[str]) -> Floats:
        """Return float32 [texts, dimensions]."""
        return self._encoded(texts, "query")

    def documents(self, texts: list[str]) -> Floats:
        """Return float32 [texts, dimensions]."""
        return self._encoded(texts, "document")

    def _encoded(self, texts: Sequence[str], kind: TextKind) -> Floats:
        def encode(start: int) -> list[Encoded]:
            return self._tokenizer.encode(list(prefixed(self._manifest, texts[start : start + _AT_ONCE], kind)))

        parts = [partial(encode, start) for start in range(0, len(texts), _AT_ONCE)]
        vectors = self._run(parts, f"Embedded, of {len(texts)} {kind} texts:").reshape(len(texts), -1)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return vectors


class Scorer(_Exported):
    """An exported cross-encoder: pairs to logits."""

    def __init__(self, folder: Path, progress: Callable[[str], None]) -> None:
        """Load it.

        Raises:
            BundleError: the folder holds no reranker's bundle.
        """
        super().__init__(folder, "reranker", progress)
        self.fusion = Fusion(self._manifest.similarity_weight, self._manifest.similarity_center)

    def logits(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Return float32 [pairs]; pairs of one query that stand together are encoded together."""

        def encode(start: int) -> list[Encoded]:
            groups = groupby(pairs[start : start + _AT_ONCE], lambda pair: pair[0])
            encoded = (self._tokenizer.encode_pairs(query, [text for _, text in some]) for query, some in groups)
            return list(chain.from_iterable(encoded))

        parts = [partial(encode, start) for start in range(0, len(pairs), _AT_ONCE)]
        return self._run(parts, f"Judged, of {len(pairs)} pairs:").reshape(len(pairs))
