"""What needs a model: searches and upserts in collections, and both models on texts that the caller brings.

Plain types only. Runs on the event loop; what blocks goes to threads. Knows neither gRPC nor HTTP.
"""

import asyncio
import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.server import fusion
from shortlist.server.errors import DeadlineExceeded, InferenceFailed
from shortlist.server.inference.embedders import Embedders
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.result import Result
from shortlist.server.runtime.manifest import Kind, TextKind
from shortlist.server.runtime.tokens import Tokens, Truncation
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document

from . import ranking, request_checks
from .contents import Contents
from .fp32 import Comparison
from .limits import Limits
from .query import Found, Ingested, Query, Ranked, Timing
from .reindexing import Reindexing
from .sampling import Sampling
from .streams import Streams
from .two_stages import TwoStages
from .upserts import Upserts

_PROBE_TOKENS = 8


class Pipeline:
    """The embedder of each collection, one scorer, and all collections."""

    def __init__(
        self,
        embedders: Embedders,
        scorer: Scorer,
        catalog: Catalog,
        limits: Limits,
        sampling: Sampling | None = None,
        fp32: Comparison | None = None,
    ) -> None:
        """Join the models and the collections; without sampling and fp32 no search is done again or compared."""
        self.embedders = embedders
        self.scorer = scorer
        self.limits = limits
        self.contents = Contents(catalog, limits)
        self.reindexing = Reindexing(self.contents, embedders)
        self._sampling = sampling or Sampling()
        self.fp32 = fp32 or Comparison()
        self._two_stages = TwoStages(embedders, scorer, self.contents, limits, self._sampling, self.fp32)
        self.upserts = Upserts(embedders, self.contents, limits)
        self.streams = Streams(self.upserts)

    @property
    def embedder(self) -> Embedder:
        """Return the embedder of new collections, and of what is in none."""
        return self.embedders.first

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

        Raises:
            InvalidRequest: the request is at fault.
            DeadlineExceeded: `whole` is set, and not all could be scored in time.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        request_checks.rerank(self.limits, query, documents, top_k, document_tokens)
        read = documents
        if document_tokens is not None and document_tokens < self.scorer.tokenizer.max_tokens:
            read = await asyncio.to_thread(self.scorer.tokenizer.cut, documents, document_tokens, truncation)
        scored = await self.scorer.score(query, read, deadline, truncation=truncation)
        if whole:
            _check_whole(scored)
        scores = ranking.scores(scored)
        cut = [len(one) < len(document) for one, document in zip(read, documents, strict=True)]
        return Ranked(
            results=[scores[index] for index in fusion.order(scored.logits, scored.done)[:top_k]],
            reranked=int(scored.done.sum()),
            degraded=scored.degraded,
            truncated=int((scored.truncated | np.array(cut)).sum()),
            tokens=scored.tokens,
            timing=Timing(spent=scored.spent),
        )

    async def embed(
        self,
        texts: Sequence[str],
        kind: TextKind,
        deadline: float,
        *,
        truncation: Truncation | None = None,
        dimensions: int | None = None,
        normalize: bool = False,
    ) -> Result:
        """Embed texts that the caller brings; queries are urgent, documents are not.

        Args:
            texts: what to embed.
            kind: decides the prefix.
            deadline: a time of the monotonic clock, in seconds.
            truncation: where a text is cut that does not fit; None: where the model's author cuts it.
            dimensions: elements of a vector to return, the first ones, made of length 1 again; None: all. Worth it
                for models that were trained for it (Matryoshka Representation Learning, arXiv 2205.13147).
            normalize: whether vectors are of length 1 where the model does not make them so.

        Raises:
            InvalidRequest: the request is at fault.
            DeadlineExceeded: the vectors could not be made in time.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        request_checks.embed(self.limits, texts, self.embedder.dimensions, dimensions)
        lane = Lane.QUERY if kind == "query" else Lane.INGEST
        made = await self.embedder.embed(texts, kind, lane, deadline, truncation=truncation)
        if dimensions is not None or normalize:
            made = dataclasses.replace(made, values=_of_length_1(made.values[:, :dimensions]))
        return made

    async def tokenize(self, texts: Sequence[str], model: Kind, kind: TextKind, query: str) -> list[Tokens]:
        """Return texts as a model reads them: the reranker beside a query if there is one, the embedder as of a kind.

        Raises:
            InvalidRequest: the request is at fault.
        """
        request_checks.tokenize(self.limits, texts, model, query, ends_only=False)
        if model == "reranker":
            return await asyncio.to_thread(self.scorer.show, query, texts)
        return await asyncio.to_thread(self.embedder.show, texts, kind)

    async def token_ends(self, texts: Sequence[str], model: Kind, query: str) -> list[list[int]]:
        """Return where each token of each whole text ends.

        Raises:
            InvalidRequest: the request is at fault; there can be no query.
        """
        request_checks.tokenize(self.limits, texts, model, query, ends_only=True)
        reader = self.scorer if model == "reranker" else self.embedder
        return await asyncio.to_thread(reader.tokenizer.ends, texts)

    async def probe(self) -> None:
        """Run all models once, past the scheduler; raise what they raise."""
        for model in (*self.embedders, self.scorer):
            await asyncio.to_thread(model.graph.run_length, _PROBE_TOKENS)


def _check_whole(scored: Result) -> None:
    """Refuse to go on without all scores.

    Raises:
        DeadlineExceeded, InferenceFailed: some are missing.
    """
    if scored.degraded == "deadline":
        raise DeadlineExceeded(
            f"{scored.done.sum()} of {len(scored.done)} documents were scored at the deadline;"
            " allow more time, or send fewer at once"
        )
    if scored.degraded == "inference-failed":
        raise InferenceFailed("the model could not run all documents; the server's log has the cause")


def _of_length_1(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors, float32 [vectors, dimensions], divided by their lengths; what has no direction stays 0."""
    exact = vectors.astype(np.float64)  # in float32 the squares of finite numbers overflow
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    units: NDArray[np.float64] = np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0)
    return units.astype(np.float32)
