"""Models out of bundles: the variant chosen, its graph loaded and warmed up.

At start, and while the server serves: a graph that is loaded later runs on the slots that are there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from shortlist.server.runtime import bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.opening import opened
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.variant_selection import Timings

from .coalescing import Coalescer, TokenizingPool
from .models import Embedder, Scorer
from .scheduler import Scheduler
from .token_embedder import TokenEmbedder


@dataclass(frozen=True, slots=True)
class Loading:
    """What models are loaded with."""

    target: Target
    batch_tokens: int
    timings: Timings
    scheduler: Scheduler
    pool: TokenizingPool
    cache_bytes: int  # of each model

    def embedder(self, path: Path, variant: str, made_with: Collection[str] = ()) -> Embedder:
        """Load an embedder.

        Args:
            path: of its bundle.
            variant: which of the bundle's, or auto.
            made_with: the fingerprints of embedders whose vectors are there: auto takes one of these.

        Raises:
            BundleError, ProviderError: it cannot be used.
        """
        found = bundle.load(path, "embedder")
        graph = self._graph(found, variant, made_with)
        loaded = Embedder(found, graph, Coalescer(self.scheduler, self.pool), self.cache_bytes)
        graph.warm_up(loaded.tokenizer)
        return loaded

    def scorer(self, path: Path, variant: str) -> Scorer:
        """Load a reranker.

        Raises:
            BundleError, ProviderError: it cannot be used.
        """
        found = bundle.load(path, "reranker")
        graph = self._graph(found, variant)
        loaded = Scorer(found, graph, Coalescer(self.scheduler, self.pool), self.cache_bytes)
        graph.warm_up(loaded.tokenizer)
        return loaded

    def late_interaction(self, path: Path, variant: str, made_with: Collection[str] = ()) -> TokenEmbedder:
        """Load a late-interaction model.

        Args:
            path: of its bundle.
            variant: which of the bundle's, or auto.
            made_with: the fingerprints of models whose token vectors are there: auto takes one of these.

        Raises:
            BundleError, ProviderError: it cannot be used.
        """
        found = bundle.load(path, "late-interaction")
        graph = self._graph(found, variant, made_with)
        loaded = TokenEmbedder(found, graph, Coalescer(self.scheduler, self.pool), self.cache_bytes)
        loaded.warm_up()
        return loaded

    def _graph(self, found: bundle.Bundle, variant: str, made_with: Collection[str] = ()) -> Graph:
        return opened(found, variant, self.target, self.batch_tokens, self.timings, made_with)
