"""What needs a model: searches and upserts in collections, and the models on texts that the caller brings.

Plain types only. Runs on the event loop; what blocks goes to threads. Knows neither gRPC nor HTTP.
"""

import asyncio
import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.server.inference.embedders import Embedders
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.result import Result
from shortlist.server.inference.token_embedder import TokenEmbedder
from shortlist.server.runtime.graph import ModelInfo
from shortlist.server.runtime.manifest import Kind, TextKind
from shortlist.server.runtime.tokens import Truncation
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document

from . import late_interaction_checks, predicting, request_checks, reranking
from .contents import Contents
from .fp32 import Comparison
from .late_interaction import LateInteraction
from .limits import Limits
from .query import Found, Ingested, Query, Ranked
from .reindexing import Reindexing
from .sampling import Sampling
from .streams import Streams
from .token_source import TokenSource
from .token_upkeep import TokenUpkeep
from .tokenizing import Tokenizing
from .two_stages import TwoStages
from .upserts import Upserts

_PROBE_TOKENS = 8


class Pipeline:
    """The embedder of each collection, one scorer, a late-interaction model if there is one, and all collections."""

    def __init__(
        self,
        embedders: Embedders,
        scorer: Scorer,
        catalog: Catalog,
        limits: Limits,
        sampling: Sampling | None = None,
        fp32: Comparison | None = None,
        late_interaction: TokenEmbedder | None = None,
    ) -> None:
        """Join the models and the collections; without sampling and fp32 no search is done again or compared."""
        self.embedders = embedders
        self.scorer = scorer
        self.late_interaction = late_interaction
        self.limits = limits
        self.contents = Contents(catalog, limits)
        self.reindexing = Reindexing(self.contents, embedders)
        self.tokenizing = Tokenizing(embedders, scorer, late_interaction, limits)
        self._sampling = sampling or Sampling()
        self.fp32 = fp32 or Comparison()
        self._two_stages = TwoStages(
            embedders, scorer, LateInteraction(late_interaction), self.contents, limits, self._sampling, self.fp32
        )
        tokens = TokenSource(late_interaction)
        self.token_upkeep = TokenUpkeep(self.contents, tokens)
        self.upserts = Upserts(embedders, self.contents, limits, tokens)
        self.streams = Streams(self.upserts)

    @property
    def embedder(self) -> Embedder:
        """Return the embedder of new collections, and of what is in none."""
        return self.embedders.first

    def running(self) -> list[tuple[Kind, ModelInfo]]:
        """Return what each model does, and what runs of it."""
        late_interaction = [] if self.late_interaction is None else [self.late_interaction]
        return [
            *(("embedder", one.info) for one in self.embedders),
            *(("late-interaction", one.info) for one in late_interaction),
            ("reranker", self.scorer.info),
        ]

    def close(self) -> None:
        """Let the changes under way end, then save and close the collections."""
        self._sampling.close()
        self.contents.close()

    async def search(self, query: Query) -> Found:
        """Find the documents that answer a query.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
            DeadlineExceeded: not even stage one could be done in time.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        return await self._two_stages.search(query)

    async def upsert(
        self,
        name: str,
        documents: Sequence[Document],
        deadline: float,
        vectors: Sequence[Sequence[float] | None] = (),
    ) -> Ingested:
        """Insert or replace documents; those whose title and text are as they were are not embedded again.

        Args:
            name: the collection's.
            documents: each id once.
            deadline: a time of the monotonic clock, in seconds.
            vectors: those that documents bring, one a document; None: it is embedded here. Empty: all are.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
            DeadlineExceeded: the vectors could not be made in time; nothing was written.
            Overloaded, ShuttingDown, InferenceFailed: the server is; nothing was written.
        """
        return await self.upserts.upsert(name, documents, deadline, vectors)

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        deadline: float,
        top_k: int | None = None,
        *,
        truncation: Truncation | None = None,
        document_tokens: int | None = None,
        whole: bool = False,
        model: Kind = "reranker",
    ) -> Ranked:
        """Score texts that the caller brings, and return the best `top_k` of them, or all.

        Args:
            query: what is looked for.
            documents: the texts.
            deadline: a time of the monotonic clock, in seconds.
            top_k: how many to return; None: all.
            truncation: where a pair is cut that does not fit; None: where the model's author cuts it.
            document_tokens: tokens of each document that are read at most, on the side that truncation keeps.
            whole: whether an answer without all scores is worth nothing.
            model: what scores them.

        Raises:
            InvalidRequest, Unsupported: the request is at fault.
            DeadlineExceeded: `whole` is set, and not all could be scored in time; or late interaction could not even
                read the query.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        request_checks.rerank(self.limits, query, documents, top_k, document_tokens)
        late_interaction_checks.scorer(model, served=self.late_interaction is not None)
        asked = query, documents, deadline, truncation, document_tokens
        if model == "late-interaction" and self.late_interaction is not None:
            ranked = await reranking.by_maxsim(self.late_interaction, *asked, whole=whole)
        else:
            ranked = await reranking.by_scorer(self.scorer, *asked, whole=whole)
        return dataclasses.replace(ranked, results=ranked.results[:top_k])

    async def embed(
        self,
        texts: Sequence[str],
        kind: TextKind,
        deadline: float,
        *,
        truncation: Truncation | None = None,
        dimensions: int | None = None,
        normalize: bool | None = None,
    ) -> Result:
        """Embed texts that the caller brings; queries are urgent, documents are not.

        Args:
            texts: what to embed.
            kind: decides the prefix.
            deadline: a time of the monotonic clock, in seconds.
            truncation: where a text is cut that does not fit; None: where the model's author cuts it.
            dimensions: elements of a vector to return, the first ones; None: all. Worth it for models that were
                trained for it (Matryoshka Representation Learning, arXiv 2205.13147).
            normalize: whether vectors are made of length 1 at the end; None: those of which a part is returned.

        Raises:
            InvalidRequest: the request is at fault.
            DeadlineExceeded: the vectors could not be made in time.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        request_checks.embed(self.limits, texts, self.embedder.dimensions, dimensions)
        lane = Lane.QUERY if kind == "query" else Lane.INGEST
        made = await self.embedder.embed(texts, kind, lane, deadline, truncation=truncation)
        values = made.values[:, :dimensions]
        if normalize or (normalize is None and dimensions is not None):
            values = _of_length_1(values)
        return dataclasses.replace(made, values=values)

    async def predict(
        self, inputs: Sequence[Sequence[str]], deadline: float, *, truncation: Truncation | None = None
    ) -> Result:
        """Score texts by themselves and pairs of texts, all or none, as the classifier that the reranker is.

        Args:
            inputs: each one text, or two of them.
            deadline: a time of the monotonic clock, in seconds.
            truncation: as in `rerank`.

        Raises:
            InvalidRequest: the request is at fault.
            DeadlineExceeded, Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        request_checks.predict(self.limits, inputs)
        return await predicting.predict(self.scorer, inputs, deadline, truncation)

    async def probe(self) -> None:
        """Run all models once, past the scheduler; raise what they raise."""
        for model in (*self.embedders, self.scorer, self.late_interaction):
            if model is not None:
                await asyncio.to_thread(model.graph.run_length, _PROBE_TOKENS)


def _of_length_1(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors, float32 [vectors, dimensions], divided by their lengths; what has no direction stays 0."""
    exact = vectors.astype(np.float64)  # in float32 the squares of finite numbers overflow
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    units: NDArray[np.float64] = np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0)
    return units.astype(np.float32)
