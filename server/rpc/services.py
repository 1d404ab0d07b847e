"""The RPCs: a request to a call of the pipeline, its answer to a response. No logic.

Errors pass through: `interceptor.py` turns them into statuses.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto import retrieval_pb2_grpc as pb_grpc
from shortlist.server.errors import InvalidRequest, TooLarge, UnknownDocument, shown
from shortlist.server.inference.lanes import Lane
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import DEFAULT_TOP_K, Query, Timing
from shortlist.server.storage.listing import Page

from . import conversion, pages

if TYPE_CHECKING:
    import grpc

# Many calls that are cut short at one moment are answered one after another; longer deadlines have more of them.
_MARGIN_SHARE = 0.05
_DEFAULT_PAGE_SIZE = 100
_SHOWN_IDS = 5
_MOST_ANSWER_BYTES = 60 << 20  # of documents: clients take messages of 64 MiB, with what is around them

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # generic in its stubs alone


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The deadlines of calls, as times of the monotonic clock in seconds."""

    default_s: float  # of a call that brings none
    margin_s: float  # what answering takes, at least: work stops this much earlier

    def of(self, context: Context) -> float:
        """Return when the work for a call must be done."""
        remaining_s = context.time_remaining()
        if remaining_s is None or math.isinf(remaining_s):
            remaining_s = self.default_s
        return time.monotonic() + remaining_s - max(self.margin_s, _MARGIN_SHARE * remaining_s)


class Retrieval(pb_grpc.RetrievalServicer):
    """The service shortlist.v1.Retrieval."""

    def __init__(self, pipeline: Pipeline, deadlines: Deadlines) -> None:
        """Serve one pipeline."""
        self._pipeline = pipeline
        self._catalog = pipeline.catalog
        self._limits = pipeline.limits
        self._deadlines = deadlines

    async def CreateCollection(
        self, request: pb.CreateCollectionRequest, context: Context
    ) -> pb.CreateCollectionResponse:
        collection, created = await asyncio.to_thread(self._catalog.create, request.name, exist_ok=request.exist_ok)
        return pb.CreateCollectionResponse(collection=conversion.collection_message(collection), created=created)

    async def DropCollection(self, request: pb.DropCollectionRequest, context: Context) -> pb.DropCollectionResponse:
        return pb.DropCollectionResponse(documents=await asyncio.to_thread(self._catalog.drop, request.name))

    async def ListCollections(
        self, request: pb.ListCollectionsRequest, context: Context
    ) -> pb.ListCollectionsResponse:
        return pb.ListCollectionsResponse(
            collections=[conversion.collection_message(found) for found in self._catalog.collections()]
        )

    async def Upsert(self, request: pb.UpsertRequest, context: Context) -> pb.UpsertResponse:
        began = time.perf_counter()
        self._limits.batch("documents", len(request.documents))
        documents = [conversion.document(message, index) for index, message in enumerate(request.documents)]
        done = await self._pipeline.upsert(request.collection, documents, self._deadlines.of(context))
        return pb.UpsertResponse(
            inserted=done.inserted,
            updated=done.updated,
            unchanged=done.unchanged,
            truncated=done.truncated,
            timing=conversion.timing_message(done.timing, time.perf_counter() - began),
        )

    async def Delete(self, request: pb.DeleteRequest, context: Context) -> pb.DeleteResponse:
        return pb.DeleteResponse(deleted=await self._pipeline.delete(request.collection, list(request.ids)))

    async def Get(self, request: pb.GetRequest, context: Context) -> pb.GetResponse:
        self._limits.ids(request.ids)
        collection = self._catalog.get(request.collection)
        sizes = await asyncio.to_thread(collection.sizes, list(request.ids))
        size = sum(sizes.get(name, 0) for name in request.ids)
        _check_answer("ids", len(request.ids), size, "ask for fewer at once")
        found = await asyncio.to_thread(collection.get, list(request.ids))
        if missing := [name for name in request.ids if name not in found]:
            raise UnknownDocument(
                f"ids: {len(missing)} of {len(request.ids)} are not in collection {request.collection!r}:"
                f" {', '.join(map(shown, missing[:_SHOWN_IDS]))}{', ...' if len(missing) > _SHOWN_IDS else ''}"
            )
        return pb.GetResponse(documents=[conversion.document_message(found[name]) for name in request.ids])

    async def List(self, request: pb.ListRequest, context: Context) -> pb.ListResponse:
        size = request.page_size if request.HasField("page_size") else _DEFAULT_PAGE_SIZE
        self._limits.page_size(size)
        collection = self._catalog.get(request.collection)
        wanted = Page(
            size=size,
            most_bytes=_MOST_ANSWER_BYTES,
            after=pages.after(collection, request.page_token),
            source=request.source,
            ids_only=request.ids_only,
        )
        page, more = await asyncio.to_thread(collection.page, wanted)
        return pb.ListResponse(
            documents=[conversion.document_message(document) for _, document in page],
            next_page_token=pages.token(collection, page[-1][0]) if page and more else "",
        )

    async def ListSources(self, request: pb.ListSourcesRequest, context: Context) -> pb.ListSourcesResponse:
        size = request.page_size if request.HasField("page_size") else _DEFAULT_PAGE_SIZE
        self._limits.page_size(size)
        collection = self._catalog.get(request.collection)
        page = await asyncio.to_thread(collection.sources, request.below, request.page_token, size)
        return pb.ListSourcesResponse(
            sources=[pb.Source(name=name, documents=count) for name, count in page],
            next_page_token=page[-1][0] if len(page) == size else "",
        )

    async def Search(self, request: pb.SearchRequest, context: Context) -> pb.SearchResponse:
        began = time.perf_counter()
        query = Query(
            collection=request.collection,
            text=request.query,
            deadline=self._deadlines.of(context),
            top_k=request.top_k if request.HasField("top_k") else min(DEFAULT_TOP_K, self._limits.max_top_k),
            candidates=request.candidates if request.HasField("candidates") else None,
            mode=conversion.mode(request.mode),
            similarity_weight=request.similarity_weight if request.HasField("similarity_weight") else None,
            margin=request.margin if request.HasField("margin") else None,
        )
        found = await self._pipeline.search(query)
        if request.include_text:
            size = sum(len(hit.document.content.encode()) for hit in found.hits)
            _check_answer("top_k", len(found.hits), size, "ask for fewer hits, or without include_text")
        return conversion.search_response(found, request, time.perf_counter() - began)


class Inference(pb_grpc.InferenceServicer):
    """The service shortlist.v1.Inference."""

    def __init__(self, pipeline: Pipeline, deadlines: Deadlines, description: pb.DescribeResponse) -> None:
        """Serve one pipeline's models; `description` is what Describe answers."""
        self._pipeline = pipeline
        self._limits = pipeline.limits
        self._deadlines = deadlines
        self._description = description

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        began = time.perf_counter()
        kind = conversion.text_kind(request.kind)
        self._limits.texts("texts", request.texts)
        lane = Lane.QUERY if kind == "query" else Lane.INGEST
        embedded = await self._pipeline.embedder.embed(request.texts, kind, lane, self._deadlines.of(context))
        return pb.EmbedResponse(
            embeddings=[pb.Embedding(values=vector) for vector in embedded.values.tolist()],
            truncated=int(embedded.truncated.sum()),
            timing=conversion.timing_message(Timing(spent=embedded.spent), time.perf_counter() - began),
        )

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankResponse:
        began = time.perf_counter()
        top_k = request.top_k if request.HasField("top_k") else None
        ranked = await self._pipeline.rerank(request.query, request.documents, self._deadlines.of(context), top_k)
        return conversion.rerank_response(ranked, time.perf_counter() - began)

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        self._limits.texts("texts", request.texts)
        model = conversion.model(request.model)
        if request.query:
            self._limits.text("query", request.query)
            if request.ends_only:
                refusal = "ends_only is about texts alone", "leave the query out, or ask for the tokens"
                raise InvalidRequest("query", request.query, *refusal)
            if model == "embedder":
                raise InvalidRequest(
                    "query", request.query, "the embedder reads texts alone", "set model to MODEL_RERANKER"
                )
        embedder, scorer = self._pipeline.embedder, self._pipeline.scorer
        if request.ends_only:
            tokenizer = scorer.tokenizer if model == "reranker" else embedder.tokenizer
            ends = await asyncio.to_thread(tokenizer.ends, request.texts)
            return pb.TokenizeResponse(tokenizations=[pb.Tokenization(ends=each) for each in ends])
        if model == "reranker":
            shown = await asyncio.to_thread(scorer.tokenizer.show, request.texts, request.query)
        else:
            shown = await asyncio.to_thread(embedder.show, request.texts, conversion.text_kind(request.kind))
        return pb.TokenizeResponse(tokenizations=[conversion.tokenization_message(tokens) for tokens in shown])

    async def Describe(self, request: pb.DescribeRequest, context: Context) -> pb.DescribeResponse:
        return self._description


def describe(pipeline: Pipeline, slots: int, threads: int) -> pb.DescribeResponse:
    """Return the answer of Describe, which stays the same while the server runs."""
    return pb.DescribeResponse(
        version=version("shortlist"),
        embedder=conversion.model_message(pipeline.embedder.graph.info),
        reranker=conversion.model_message(pipeline.scorer.graph.info),
        limits=conversion.limits_message(pipeline.limits),
        slots=slots,
        threads=threads,
    )


def _check_answer(field: str, documents: int, size: int, remedy: str) -> None:
    """Refuse an answer that is larger than clients take, before it is made."""
    if size > _MOST_ANSWER_BYTES:
        value, limit = f"{documents} documents of {size:,} bytes", f"an answer holds {_MOST_ANSWER_BYTES:,}"
        raise TooLarge(field, value, limit, remedy)
