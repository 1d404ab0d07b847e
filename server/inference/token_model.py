"""A late-interaction graph as the scheduler runs it: texts to the token vectors that count, or to MaxSim."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.late_interaction import TokenReader, maxsim
from shortlist.server.runtime.manifest import TextKind
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded

Floats = NDArray[np.float32]


class TokenModel:
    """The graph of one bundle for queries, or for documents: the scheduler's `Model`.

    What does not count is dropped, and what is alike merged, on the slot: padding never leaves it.
    """

    def __init__(self, graph: Graph, reader: TokenReader, kind: TextKind) -> None:
        """Join a graph and the rules of a kind of text; both kinds share the graph and its costs."""
        self._graph, self._reader, self._kind = graph, reader, kind
        self.estimate_s = graph.estimate_s

    @property
    def shapes(self) -> Shapes:
        """What a run may be like."""
        return self._graph.shapes

    def blank(self, items: int) -> NDArray[Any]:
        """Return what holds the vectors of so many texts, none of which was run: no vector each."""
        return _objects([np.zeros((0, self._graph.width), np.float32)] * items)

    def run(self, items: Sequence[Encoded]) -> NDArray[Any]:
        """Return object [items], each float32 [vectors, dimensions]."""
        return _objects(
            [
                self._reader.merged(self._reader.kept(item, rows, self._kind), self._kind)
                for item, rows in zip(items, self._graph.run(items), strict=True)
            ]
        )


class MaxsimModel:
    """A model of documents that keeps of each no more than its MaxSim with a query: the scheduler's `Model`.

    A thousand texts of 300 tokens are 115 MB of vectors of 96 dimensions, and 4 KB of scores.
    """

    def __init__(self, documents: TokenModel, query: Floats) -> None:
        """Score for a query: float32 [vectors, dimensions], one vector at least."""
        self._documents, self._query = documents, query
        self.estimate_s = documents.estimate_s

    @property
    def shapes(self) -> Shapes:
        """What a run may be like."""
        return self._documents.shapes

    def blank(self, items: int) -> Floats:
        """Return what holds the scores of so many texts, none of which was run: zeros, float32 [items, 1]."""
        return np.zeros((items, 1), np.float32)

    def run(self, items: Sequence[Encoded]) -> Floats:
        """Return float32 [items, 1]; a text of which no token counts scores 0."""
        vectors, scores = self._documents.run(items), self.blank(len(items))
        counted = [index for index, rows in enumerate(vectors) if len(rows)]
        scores[counted, 0] = maxsim(self._query, [vectors[index] for index in counted])
        return scores


def _objects(rows: Sequence[Floats]) -> NDArray[Any]:
    """Return arrays as the elements of one: of arrays of one shape, NumPy would make an array of more axes."""
    made = np.empty(len(rows), object)
    for index, one in enumerate(rows):
        made[index] = one
    return made
