"""What is asked of a peer: the one Protocol behind which each of them stands.

A peer is a process of its own. The load generator awaits its answers and never computes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Models:
    """Where both models lie, for Shortlist and for its peers."""

    embedder_bundle: Path
    reranker_bundle: Path
    embedder_folder: Path  # the same models as `layout` writes them
    reranker_folder: Path
    variant: str  # which graph of both bundles
    pooling: str  # how the embedder's token vectors become one: for those who do it outside of the graph


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of the collection that is searched."""

    id: str
    text: str


class Peer(Protocol):
    """A system that is compared. `start` comes first, `stop` last; any number of calls may be under way between."""

    name: str  # in the table
    graph: str  # what it runs, in the table; known once it has started
    loads: frozenset[str]  # the kinds of loads that it takes; `index` comes before "search"

    def missing(self) -> str:
        """Return what is not installed, and which target of the Makefile installs it; empty if nothing is."""

    async def start(self, models: Models) -> None:
        """Start, and wait until it answers.

        Raises:
            PeersError: it did not; the message says why.
        """

    async def rerank(self, query: str, passages: Sequence[str]) -> Floats:
        """Return a score for each passage, 0 to 1, in the passages' order: float32 [passages]."""

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of queries, float32 [texts, dimensions]."""

    async def index(self, passages: Sequence[Passage]) -> None:
        """Take the passages in that searches are to find."""

    async def search(self, query: str, candidates: int, top_k: int) -> list[str]:
        """Return the ids of the best of those candidates that are nearest to the query."""

    async def ingest(self, passages: Sequence[Passage]) -> None:
        """Take passages in that nobody searches for."""

    async def stop(self) -> None:
        """End, and wait for the end. Does nothing where it does not run."""

    def version(self) -> str:
        """Return what runs, with versions."""
