"""What all models of a server have: a loaded graph, a tokenizer, jobs under way, and results that are remembered."""

from typing import Generic, TypeVar

from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph, ModelInfo
from shortlist.server.runtime.tokens import Tokenizer

from .caches import Cache
from .coalescing import Coalescer

_Kept = TypeVar("_Kept")


class LoadedModel(Generic[_Kept]):
    """A bundle's tokenizer beside its loaded graph, and what is remembered of its results."""

    def __init__(self, bundle: Bundle, graph: Graph, coalescer: Coalescer, cache_bytes: int) -> None:
        """Remember nothing yet, and `cache_bytes` at most."""
        self.graph = graph
        self.path = bundle.path
        self.coalescer = coalescer
        self.tokenizer = Tokenizer(bundle)
        self.cache: Cache[_Kept] = Cache(cache_bytes)
        self._manifest = bundle.manifest

    @property
    def info(self) -> ModelInfo:
        """Return what runs."""
        return self.graph.info

    @property
    def fingerprint(self) -> str:
        """Return what tells it from others."""
        return self.info.fingerprint
