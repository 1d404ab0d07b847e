"""What is asked of a peer: the one class that each of them is a kind of.

A peer is a process of its own. The load generator awaits its answers and never computes them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.client import Document
from shortlist.server.errors import StartupError

Floats = NDArray[np.float32]
Kind = Literal["rerank", "embed", "search", "ingest"]


class PeersError(StartupError):
    """A comparison that cannot be made: wrong input, or a peer that does not start or answers with something else."""


@dataclass(frozen=True, slots=True)
class Models:
    """Where both models lie, for Shortlist and for its peers."""

    embedder_bundle: Path
    reranker_bundle: Path
    embedder_folder: Path  # the same models as `layout` writes them
    reranker_folder: Path
    variant: str  # which graph of both bundles
    pooling: str  # how the embedder's token vectors become one: for those who do it outside of the graph


class Peer(ABC):
    """A system that is compared. `start` comes first, `stop` last; any number of calls may be under way between."""

    name: str  # in the table
    loads: ClassVar[frozenset[Kind]] = frozenset({"rerank", "embed"})  # that it takes; `index` comes before "search"
    graph: str = ""  # what it runs, in the table; known once it has started, as is the version
    version: str = ""

    def missing(self) -> str:
        """Return what is not installed, and which target of the Makefile installs it; empty if nothing is."""
        return ""

    @abstractmethod
    async def start(self, models: Models) -> None:
        """Start, and wait until it answers.

        Raises:
            PeersError: it did not; the message says why.
        """

    @abstractmethod
    async def rerank(self, query: str, passages: Sequence[str]) -> Floats:
        """Return a score for each passage, 0 to 1, in the passages' order: float32 [passages]."""

    @abstractmethod
    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of queries, float32 [texts, dimensions]."""

    async def index(self, documents: Sequence[Document]) -> None:
        """Take the documents in that searches are to find."""
        raise NotImplementedError

    async def search(self, query: str, candidates: int, top_k: int) -> list[str]:
        """Return the ids of the best of those candidates that are nearest to the query."""
        raise NotImplementedError

    async def ingest(self, documents: Sequence[Document]) -> None:
        """Take documents in that nobody searches for."""
        raise NotImplementedError

    @abstractmethod
    async def stop(self) -> None:
        """End, and wait for the end. Does nothing where it does not run."""
