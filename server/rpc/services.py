"""The RPCs: a request to a call of the pipeline, its answer to a response. No logic.

Errors pass through: `interceptor.py` turns them into statuses.
"""

import time
from collections.abc import AsyncIterable, Sequence

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto import retrieval_pb2_grpc as pb_grpc
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import DEFAULT_TOP_K, Answer, Query
from shortlist.server.storage.collection import Collection

from . import conversion, enums, filters, ingest
from .deadlines import Context, Deadlines
from .writing import Writer


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
        return pb.CreateCollectionResponse(collection=self._message(collection), created=created)

    async def _create(self, request: pb.CreateCollectionRequest) -> tuple[Collection, bool]:
        return await self._contents.create(
            request.name,
            exist_ok=request.exist_ok,
            recall_target=request.recall_target if request.HasField("recall_target") else None,
            language=request.language,
            quantization=enums.QUANTIZATIONS[request.quantization],
            token_pooling=enums.TOKEN_POOLINGS[request.token_pooling],
        )

    async def DropCollection(self, request: pb.DropCollectionRequest, context: Context) -> pb.DropCollectionResponse:
        return pb.DropCollectionResponse(documents=await self._contents.drop(request.name))

    async def SetTokenVectors(
        self, request: pb.SetTokenVectorsRequest, context: Context
    ) -> pb.SetTokenVectorsResponse:
        pooling = enums.TOKEN_POOLINGS[request.token_pooling]
        collection = await self._contents.set_token_vectors(request.collection, pooling)
        return pb.SetTokenVectorsResponse(collection=self._message(collection))

    async def ListCollections(
        self, request: pb.ListCollectionsRequest, context: Context
    ) -> pb.ListCollectionsResponse:
        return pb.ListCollectionsResponse(collections=map(self._message, self._contents.collections()))

    def _message(self, collection: Collection) -> pb.Collection:
        return conversion.collection_message(collection, self._pipeline.token_upkeep.state(collection))

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

    async def Ingest(self, requests: "AsyncIterable[pb.IngestRequest]", context: Context) -> None:
        deadline = self._deadlines.of_stream(context)
        stream = ingest.Stream(aiter(requests))
        start = await stream.start()
        if start.HasField("create"):
            collection, _ = await self._create(start.create)
        else:
            collection = self._contents.collection(start.collection)
        await context.send_initial_metadata(())  # the start is taken: a caller may wait for that

        writer = Writer(context)

        async def answer(answers: Sequence[Answer]) -> None:
            await writer.write(ingest.response(answers))

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
            rerank_candidates=request.rerank_candidates if request.HasField("rerank_candidates") else None,
            mode=enums.MODES[request.mode],
            candidates_from=enums.SOURCES[request.candidates_from],
            rank_fusion=enums.FUSIONS[request.rank_fusion],
            similarity_weight=request.similarity_weight if request.HasField("similarity_weight") else None,
            margin=request.margin if request.HasField("margin") else None,
            where=filters.where(request),
            include_text=request.include_text,
            include_metadata=request.include_metadata,
            include_vectors=request.include_vectors,
            fresh=request.fresh,
        )
        found = await self._pipeline.search(query)
        return conversion.search_response(found, request, time.perf_counter() - began)


class Snapshots(pb_grpc.SnapshotsServicer):
    """The service shortlist.v1.Snapshots."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Serve the collections of one data folder."""
        self._contents = pipeline.contents
        self._token_upkeep = pipeline.token_upkeep

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
        return pb.RestoreSnapshotResponse(
            collections=[conversion.collection_message(one, self._token_upkeep.state(one)) for one in made]
        )

    async def DropSnapshot(self, request: pb.DropSnapshotRequest, context: Context) -> pb.DropSnapshotResponse:
        await self._contents.drop_snapshot(request.name)
        return pb.DropSnapshotResponse()
