"""An exported dual encoder that finds candidates: quantized, and on all cores, as the server runs it.

Of a training set it embeds every document, for which PyTorch in fp32 takes several times as long.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime import bundle, providers, variant_selection
from shortlist.server.runtime.manifest import TextKind, prefixed
from shortlist.server.runtime.opening import opened
from shortlist.server.runtime.tokens import Tokenizer
from shortlist.server.runtime.variant_selection import Timings
from shortlist.server.settings import Settings

from .models import Floats

_TEXTS_AT_ONCE = 512
_QUEUE_TOKENS = 1 << 40  # nothing is refused here


class Exported:
    """A bundle's fastest variant that passed its gate: texts to vectors of length 1."""

    def __init__(self, folder: Path, progress: Callable[[str], None]) -> None:
        """Load it.

        Raises:
            BundleError: the folder holds no embedder's bundle.
        """
        settings = Settings(embedder=folder)
        target, stack = providers.target(settings), providers.batch_tokens(settings)
        found = bundle.load(folder, "embedder")

        with tempfile.TemporaryDirectory() as data:
            timings = Timings(Path(data) / "timings.json")
            self._graph = opened(found, variant_selection.AUTO, target, stack, timings)
        self.name = f"{found.manifest.source.model}, {self._graph.info.variant}"
        self._manifest = found.manifest
        self._tokenizer = Tokenizer(found)
        self._graph.warm_up(self._tokenizer)
        self._slots = target.slots
        self._progress = progress

    def queries(self, texts: list[str]) -> Floats:
        """Return float32 [texts, dimensions]."""
        return self._encoded(texts, "query")

    def documents(self, texts: list[str]) -> Floats:
        """Return float32 [texts, dimensions]."""
        return self._encoded(texts, "document")

    def _encoded(self, texts: Sequence[str], kind: TextKind) -> Floats:
        scheduler = Scheduler(self._slots, _QUEUE_TOKENS)
        try:
            parts = []
            for start in range(0, len(texts), _TEXTS_AT_ONCE):
                some = prefixed(self._manifest, texts[start : start + _TEXTS_AT_ONCE], kind)
                items = self._tokenizer.encode(list(some))
                parts.append(scheduler.submit_whole(Lane.INGEST, self._graph, items).result().values)
                if len(texts) > _TEXTS_AT_ONCE:
                    self._progress(f"Embedded {min(start + _TEXTS_AT_ONCE, len(texts))} of {len(texts)} {kind} texts")
        finally:
            scheduler.stop()
        vectors: Floats = np.concatenate(parts).reshape(len(texts), -1)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return vectors
