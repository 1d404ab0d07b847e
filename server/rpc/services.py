"""The RPCs: a request to a call of the pipeline, its answer to a response. No logic.

Errors pass through: `interceptor.py` turns them into statuses.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeAlias

import grpc

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto import retrieval_pb2_grpc as pb_grpc
from shortlist.server.search.contents import Contents
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import DEFAULT_TOP_K, Answer, Query, Timing
from shortlist.server.storage.collection import Collection

from . import conversion, filters, ingest

# Many calls that are cut short at one moment are answered one after another; longer deadlines have more of them.
_MARGIN_SHARE = 0.05

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # generic in its stubs alone


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The deadlines of calls, as times of the monotonic clock in seconds."""

    default_s: float  # of a call that brings none
    margin_s: float  # what answering takes, at least: work stops this much earlier

    def of(self, context: Context) -> float:
        """Return when the work for a call must be done."""
        return self.within(context.time_remaining())

    def within(self, remaining_s: float | None) -> float:
        """Return when the work for a call must be done whose caller waits so long, or does not say how long."""
        if remaining_s is None or math.isinf(remaining_s):
            remaining_s = self.default_s
        return time.monotonic() + remaining_s - max(self.margin_s, _MARGIN_SHARE * remaining_s)

    def of_stream(self, context: Context) -> float:
        """Return when the work for a stream must be done; infinity if it brings no deadline."""
        remaining_s = context.time_remaining()
        return math.inf if remaining_s is None or math.isinf(remaining_s) else self.of(context)


class Retrieval(pb_grpc.RetrievalServicer):
    """The service shortlist.v1.Retrieval."""

    def __init__(self, pipeline: Pipeline, deadlines: Deadlines) -> None:
        """Serve one pipeline."""
        self._pipeline = pipeline
        self._contents = pipeline.contents
        self._limits = pipeline.limits
        self._deadlines = deadlines

    async def CreateCollection(
        self, request: pb.CreateCollectionRequest, context: Context
    ) -> pb.CreateCollectionResponse:
        collection, created = await self._create(request)
        return pb.CreateCollectionResponse(collection=conversion.collection_message(collection), created=created)

    async def _create(self, request: pb.CreateCollectionRequest) -> tuple[Collection, bool]:
        return await self._contents.create(
            request.name,
            exist_ok=request.exist_ok,
            recall_target=request.recall_target if request.HasField("recall_target") else None,
            language=request.language,
            quantization=conversion.quantization(request.quantization),
        )

    async def DropCollection(self, request: pb.DropCollectionRequest, context: Context) -> pb.DropCollectionResponse:
        return pb.DropCollectionResponse(documents=await self._contents.drop(request.name))

    async def ListCollections(
        self, request: pb.ListCollectionsRequest, context: Context
    ) -> pb.ListCollectionsResponse:
        return pb.ListCollectionsResponse(
            collections=[conversion.collection_message(found) for found in self._contents.collections()]
        )

    async def Upsert(self, request: pb.UpsertRequest, context: Context) -> pb.UpsertResponse:
        began = time.perf_counter()
        documents = [conversion.document(message) for message in request.documents]
        vectors = conversion.vectors(request.documents)
        done = await self._pipeline.upsert(request.collection, documents, self._deadlines.of(context), vectors)
        return pb.UpsertResponse(
            inserted=done.inserted,
            updated=done.updated,
            unchanged=done.unchanged,
            truncated=done.truncated,
            timing=conversion.timing_message(done.timing, time.perf_counter() - began),
        )

    async def Ingest(  # type: ignore[override] # the stubs do not know of handlers that write to their context
        self, requests: "AsyncIterable[pb.IngestRequest]", context: Context
    ) -> None:
        deadline = self._deadlines.of_stream(context)
        stream = ingest.Stream(aiter(requests))
        start = await stream.start()
        if start.HasField("create"):
            collection, _ = await self._create(start.create)
        else:
            collection = self._contents.collection(start.collection)
        await context.send_initial_metadata(())  # the start is taken: a caller may wait for that

        call = asyncio.current_task()

        async def answer(answers: Sequence[Answer]) -> None:
            try:
                await context.write(ingest.response(answers))
            except grpc.aio.InternalError:  # the caller is gone; gRPC cancels its call, but tells this first
                if call:
                    call.cancel()

        await self._pipeline.streams.run(collection, stream.documents(), answer, deadline)

    async def Delete(self, request: pb.DeleteRequest, context: Context) -> pb.DeleteResponse:
        where = filters.where(request)
        return pb.DeleteResponse(deleted=await self._contents.delete(request.collection, list(request.ids), where))

    async def UpdateMetadata(self, request: pb.UpdateMetadataRequest, context: Context) -> pb.UpdateMetadataResponse:
        await self._contents.describe(request.collection, [*map(conversion.metadata_update, request.documents)])
        return pb.UpdateMetadataResponse()

    async def Get(self, request: pb.GetRequest, context: Context) -> pb.GetResponse:
        found = await self._contents.get(
            request.collection,
            list(request.ids),
            skip_missing=request.skip_missing,
            vectors=request.include_vectors,
        )
        return pb.GetResponse(documents=[conversion.document_message(*each) for each in found])

    async def List(self, request: pb.ListRequest, context: Context) -> pb.ListResponse:
        size = request.page_size if request.HasField("page_size") else None
        page, following = await self._contents.page(
            request.collection,
            request.page_token,
            size,
            source=request.source,
            ids_only=request.ids_only,
            where=filters.where(request),
        )
        return pb.ListResponse(documents=map(conversion.document_message, page), next_page_token=following)

    async def Count(self, request: pb.CountRequest, context: Context) -> pb.CountResponse:
        return pb.CountResponse(documents=await self._contents.count(request.collection, filters.where(request)))

    async def ListSources(self, request: pb.ListSourcesRequest, context: Context) -> pb.ListSourcesResponse:
        size = request.page_size if request.HasField("page_size") else None
        page, following = await self._contents.sources(request.collection, request.below, request.page_token, size)
        sources = [pb.Source(name=name, documents=count) for name, count in page]
        return pb.ListSourcesResponse(sources=sources, next_page_token=following)

    async def Search(self, request: pb.SearchRequest, context: Context) -> pb.SearchResponse:
        began = time.perf_counter()
        query = Query(
            collection=request.collection,
            text=request.query,
            deadline=self._deadlines.of(context),
            top_k=request.top_k if request.HasField("top_k") else min(DEFAULT_TOP_K, self._limits.max_top_k),
            candidates=request.candidates if request.HasField("candidates") else None,
            mode=conversion.mode(request.mode),
            candidates_from=conversion.candidates_from(request.candidates_from),
            rank_fusion=conversion.rank_fusion(request.rank_fusion),
            similarity_weight=request.similarity_weight if request.HasField("similarity_weight") else None,
            margin=request.margin if request.HasField("margin") else None,
            where=filters.where(request),
            include_text=request.include_text,
            include_metadata=request.include_metadata,
            include_vectors=request.include_vectors,
        )
        found = await self._pipeline.search(query)
        return conversion.search_response(found, request, time.perf_counter() - began)


class Snapshots(pb_grpc.SnapshotsServicer):
    """The service shortlist.v1.Snapshots."""

    def __init__(self, contents: Contents) -> None:
        """Serve the collections of one data folder."""
        self._contents = contents

    async def CreateSnapshot(self, request: pb.CreateSnapshotRequest, context: Context) -> pb.CreateSnapshotResponse:
        made = await self._contents.take_snapshot(request.name, list(request.collections))
        return pb.CreateSnapshotResponse(snapshot=conversion.snapshot_message(made))

    async def ListSnapshots(self, request: pb.ListSnapshotsRequest, context: Context) -> pb.ListSnapshotsResponse:
        return pb.ListSnapshotsResponse(
            snapshots=[conversion.snapshot_message(found) for found in await self._contents.snapshots()]
        )

    async def RestoreSnapshot(
        self, request: pb.RestoreSnapshotRequest, context: Context
    ) -> pb.RestoreSnapshotResponse:
        made = await self._contents.restore(request.snapshot, list(request.collections))
        return pb.RestoreSnapshotResponse(collections=map(conversion.collection_message, made))

    async def DropSnapshot(self, request: pb.DropSnapshotRequest, context: Context) -> pb.DropSnapshotResponse:
        await self._contents.drop_snapshot(request.name)
        return pb.DropSnapshotResponse()


class Inference(pb_grpc.InferenceServicer):
    """The service shortlist.v1.Inference."""

    def __init__(self, pipeline: Pipeline, deadlines: Deadlines, description: pb.DescribeResponse) -> None:
        """Serve one pipeline's models; `description` is what Describe answers beside how they agree with fp32."""
        self._pipeline = pipeline
        self._deadlines = deadlines
        self._description = description

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        began = time.perf_counter()
        kind = conversion.text_kind(request.kind)
        embedded = await self._pipeline.embed(request.texts, kind, self._deadlines.of(context))
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
        model = conversion.model(request.model)
        if request.ends_only:
            ends = await self._pipeline.token_ends(request.texts, model, request.query)
            return pb.TokenizeResponse(tokenizations=[pb.Tokenization(ends=each) for each in ends])
        kind = conversion.text_kind(request.kind)
        tokens = await self._pipeline.tokenize(request.texts, model, kind, request.query)
        return pb.TokenizeResponse(tokenizations=map(conversion.tokenization_message, tokens))

    async def Describe(self, request: pb.DescribeRequest, context: Context) -> pb.DescribeResponse:
        answer = pb.DescribeResponse()
        answer.CopyFrom(self._description)
        beside = self._pipeline.fp32
        for model, agreement in ((answer.embedder, beside.embedder), (answer.reranker, beside.scorer)):
            if agreement is not None:
                model.fp32.CopyFrom(conversion.agreement_message(agreement))
        return answer


def describe(pipeline: Pipeline, slots: int, threads: int) -> pb.DescribeResponse:
    """Return what of Describe's answer stays the same while the server runs."""
    return pb.DescribeResponse(
        version=version("shortlist"),
        embedder=conversion.model_message(pipeline.embedder.info),
        reranker=conversion.model_message(pipeline.scorer.info),
        limits=conversion.limits_message(pipeline.limits),
        slots=slots,
        threads=threads,
    )
