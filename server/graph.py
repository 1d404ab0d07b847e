"""One loaded variant of a bundle: what a slot runs.

Any number of slots may run one graph at once. It learns what its runs cost.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.server.bundle import OUTPUT, Bundle, Source
from shortlist.server.cost import Cost
from shortlist.server.errors import BundleError
from shortlist.server.session import Session, first_line
from shortlist.server.settings import Provider
from shortlist.server.tokens import Encoded, Tokenizer, pad

_WARM_UP_TOKENS = (8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Running:
    """Say what a loaded model is."""

    source: Source
    variant: str
    variants: tuple[str, ...]
    provider: str  # as onnxruntime names it
    max_tokens: int
    dimensions: int  # 0 for a reranker
    fingerprint: str
    blend: float  # share of the similarity in the final order, unless a search says otherwise; 0 for an embedder


class Graph:
    """Run encoded texts through one variant of a bundle: the scheduler's `Model`."""

    def __init__(self, bundle: Bundle, variant: str, provider: Provider, threads: int, batch_tokens: int) -> None:
        """Check the variant's files and load its graph.

        Args:
            bundle: where it lies.
            variant: which graph of it.
            provider: where to run it.
            threads: what one run uses.
            batch_tokens: padded tokens that one run may stack; a variant whose results depend on its
                batch-mates runs one item at a time whatever this says.

        Raises:
            BundleError: the variant is missing or damaged.
            ProviderError: the provider is not there.
        """
        bundle.verify(variant)
        manifest = bundle.manifest
        self._session = Session(bundle.graph(variant), provider, threads)
        self._output = OUTPUT[manifest.kind]
        self._pad_token_id = manifest.pad_token_id
        self.width = manifest.dimensions if manifest.kind == "embedder" else 1
        self.batch_tokens = batch_tokens if manifest.variants[variant].batch_invariant else 0
        self.cost = Cost()
        self.running = Running(
            manifest.source,
            variant,
            tuple(manifest.variants),
            self._session.provider,
            manifest.max_tokens,
            manifest.dimensions,
            manifest.fingerprint(variant),
            manifest.blend,
        )

    def run(self, items: Sequence[Encoded]) -> NDArray[np.float32]:
        """Return float32 [items, width], and learn what the run cost."""
        began = time.perf_counter()
        values = self._infer(items)
        self.cost.observe(sum(len(item) for item in items), len(items), time.perf_counter() - began)
        return values

    def estimate_s(self, lengths: Sequence[int]) -> float:
        """Return the seconds that items of these lengths, in tokens, take on one slot."""
        return self.cost.estimate_s(lengths)

    def _infer(self, items: Sequence[Encoded]) -> NDArray[np.float32]:
        values = self._session.run(self._output, pad(items, self._pad_token_id))
        return values.reshape(len(items), self.width)

    def warm_up(self, tokenizer: Tokenizer) -> None:
        """Run every doubling of the length up to the window, so that the first request finds all known.

        Raises:
            BundleError: the graph does not run, or not as the manifest says.
        """
        try:
            self._warm_up(tokenizer)
        except Exception as error:  # onnxruntime's own classes share no public root
            raise BundleError(
                f"{self.running.source.model}, {self.running.variant}: the graph does not run as its manifest says"
                f" ({first_line(error)}); export the model again"
            ) from error

    def _warm_up(self, tokenizer: Tokenizer) -> None:
        longest = tokenizer.encode([" ".join(["word"] * self.running.max_tokens)])[0]
        lengths = [length for length in _WARM_UP_TOKENS if length < len(longest)]
        for length in (*lengths, len(longest)):
            item = Encoded(longest.input_ids[:length], longest.type_ids[:length], truncated=True)
            self._infer([item])  # the first run of a shape also pays for its memory: not counted
            self.run([item])
