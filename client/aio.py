"""`AsyncClient`: the same calls as `Client`, for asyncio.

A client belongs to the event loop of its first call, and any number of that loop's tasks may share it. A cancelled
task cancels its call, on the server too.
"""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
from google.protobuf.message import Message

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, ReindexesStub, RetrievalStub, SnapshotsStub

from . import arguments, channel, errors, reindexing, requests, responses, signatures
from .async_ingest import AsyncIngest
from .filters import Where
from .ingest import Ledger
from .reindexing import Reindex, Watch
from .types import (
    CandidatesFrom,
    Collection,
    Description,
    Document,
    Embeddings,
    IngestResult,
    Metadata,
    Mode,
    Model,
    Quantization,
    RankFusion,
    RerankResult,
    SearchResult,
    Snapshot,
    Source,
    TextKind,
    Tokenization,
    UpsertResult,
)

if TYPE_CHECKING:
    from shortlist.proto.retrieval_pb2_grpc import (
        InferenceAsyncStub,
        ReindexesAsyncStub,
        RetrievalAsyncStub,
        SnapshotsAsyncStub,
    )  # in the stubs' types alone

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")


@dataclass(frozen=True, slots=True)
class _Opened:
    """A channel, and the event loop that it belongs to."""

    loop: asyncio.AbstractEventLoop
    channel: grpc.aio.Channel
    retrieval: "RetrievalAsyncStub"
    inference: "InferenceAsyncStub"
    snapshots: "SnapshotsAsyncStub"
    reindexes: "ReindexesAsyncStub"


@signatures.checked
class AsyncClient:
    """A connection to a Shortlist server, for asyncio: search, index, rerank.

        async with AsyncClient("127.0.0.1:50051") as client:
            result = await client.search("notes", "what is France's capital?")

    Arguments, results, deadlines, retries and errors are those of `Client`, whose methods say more.
    """

    def __init__(self, address: str = "127.0.0.1:50051", *, timeout_s: float = 30.0) -> None:
        """Prepare to talk to the server at `address`; see `Client`."""
        self.address, self.timeout_s = channel.check_target(address, timeout_s)
        self._note = channel.proxy_note(self.address)
        self._closed = False
        self._opened: _Opened | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls that are under way end with an error."""
        opened, self._closed = self._opened, True
        if opened is not None and opened.loop is asyncio.get_running_loop():
            await opened.channel.close(grace=None)

    async def wait_until_ready(self, timeout_s: float | None = None) -> Description:
        """Wait until the server takes calls, and return what it runs; see `Client.wait_until_ready`."""
        patience_s = self._deadline_s(timeout_s)
        end = time.monotonic() + patience_s
        while True:
            try:
                return await self._describe(max(0.0, end - time.monotonic()), wait_for_ready=True)
            except (errors.Unavailable, errors.DeadlineExceeded) as error:
                if time.monotonic() >= end:
                    raise errors.DeadlineExceeded(
                        f"no server was ready at {self.address} within {patience_s:g} s{self._note}"
                    ) from error

    async def describe(self, *, timeout_s: float | None = None) -> Description:
        """Return what the server runs: version, models, limits."""
        return await self._describe(timeout_s, wait_for_ready=False)

    async def create_collection(
        self,
        name: str,
        *,
        exist_ok: bool = False,
        recall_target: float | None = None,
        language: str | None = None,
        quantization: Quantization | None = None,
        timeout_s: float | None = None,
    ) -> Collection:
        """Make an empty collection; see `Client.create_collection`."""
        request = requests.create_collection(
            name, exist_ok=exist_ok, recall_target=recall_target, language=language, quantization=quantization
        )
        response = await self._call(self._retrieval.CreateCollection, request, timeout_s)
        return responses.collection(response.collection)

    async def drop_collection(self, name: str, *, timeout_s: float | None = None) -> int:
        """Delete a collection and all its documents, for good; return how many they were."""
        response = await self._call(self._retrieval.DropCollection, requests.drop_collection(name), timeout_s)
        return response.documents

    async def list_collections(self, *, timeout_s: float | None = None) -> tuple[Collection, ...]:
        """Return every collection, by name."""
        response = await self._call(self._retrieval.ListCollections, pb.ListCollectionsRequest(), timeout_s)
        return tuple(responses.collection(one) for one in response.collections)

    async def create_snapshot(
        self, name: str = "", collections: Iterable[str] = (), *, timeout_s: float | None = None
    ) -> Snapshot:
        """Copy collections on the server's disk while they are served; see `Client.create_snapshot`."""
        request = requests.create_snapshot(name, collections)
        response = await self._call(self._snapshots.CreateSnapshot, request, timeout_s)
        return responses.snapshot(response.snapshot)

    async def list_snapshots(self, *, timeout_s: float | None = None) -> tuple[Snapshot, ...]:
        """Return every snapshot, by name."""
        response = await self._call(self._snapshots.ListSnapshots, pb.ListSnapshotsRequest(), timeout_s)
        return tuple(responses.snapshot(one) for one in response.snapshots)

    async def restore_snapshot(
        self, snapshot: str, collections: Iterable[str] = (), *, timeout_s: float | None = None
    ) -> tuple[Collection, ...]:
        """Make collections of the copies in a snapshot; see `Client.restore_snapshot`."""
        request = requests.restore_snapshot(snapshot, collections)
        response = await self._call(self._snapshots.RestoreSnapshot, request, timeout_s)
        return tuple(responses.collection(one) for one in response.collections)

    async def drop_snapshot(self, name: str, *, timeout_s: float | None = None) -> None:
        """Delete a snapshot, for good."""
        await self._call(self._snapshots.DropSnapshot, requests.drop_snapshot(name), timeout_s)

    async def reindex(
        self,
        collection: str,
        embedder: str = "",
        variant: str = "",
        *,
        on_progress: Watch | None = None,
        timeout_s: float | None = None,
    ) -> Reindex:
        """Make a collection's vectors anew by another embedder, and return once searches use them.

        See `Client.reindex`.
        """
        watch = reindexing.watch(on_progress)
        now = begun = await self.start_reindex(collection, embedder, variant, timeout_s=timeout_s)
        while now.state == "running":
            watch(now)
            now = await self.get_reindex(collection, after=reindexing.next_step(now), timeout_s=timeout_s)
        return reindexing.ended(now, begun.embedder_fingerprint)

    async def start_reindex(
        self, collection: str, embedder: str = "", variant: str = "", *, timeout_s: float | None = None
    ) -> Reindex:
        """Begin what `reindex` does, or join it, and return how far it is; the server goes on."""
        request = reindexing.start(collection, embedder, variant)
        return reindexing.plain(await self._call(self._reindexes.StartReindex, request, timeout_s))

    async def get_reindex(
        self, collection: str, *, after: int | None = None, timeout_s: float | None = None
    ) -> Reindex:
        """Return how far a collection is made anew; see `Client.get_reindex`."""
        request = reindexing.get(collection, after)
        return reindexing.plain(await self._call(self._reindexes.GetReindex, request, timeout_s))

    async def cancel_reindex(self, collection: str, *, timeout_s: float | None = None) -> Reindex:
        """End what `reindex` began, and drop what was made; the collection stays as it is."""
        request = reindexing.cancel(collection)
        return reindexing.plain(await self._call(self._reindexes.CancelReindex, request, timeout_s))

    async def upsert(
        self, collection: str, documents: Iterable[Document], *, timeout_s: float | None = None
    ) -> UpsertResult:
        """Insert documents, or replace those whose id is there already; see `Client.upsert`."""
        request = requests.upsert(collection, documents)
        return responses.upsert(await self._call(self._retrieval.Upsert, request, timeout_s))

    def ingest(
        self,
        collection: str,
        documents: Iterable[Document] | AsyncIterable[Document],
        *,
        create: bool = False,
        timeout_s: float | None = None,
    ) -> AsyncIterator[IngestResult]:
        """Insert or replace any number of documents, with `async for`; see `Client.ingest`."""
        start, deadline_s = requests.ingest_start(collection, create=create), self._deadline_s(timeout_s)
        if not isinstance(documents, AsyncIterable):
            documents = arguments.several("documents", documents, "documents")
        ledger = Ledger(start, deadline_s, self._note)
        return AsyncIngest(self._retrieval.Ingest, ledger).results(documents)

    async def delete(
        self,
        collection: str,
        ids: Iterable[str] = (),
        *,
        where: Where | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Delete documents by id, or all that match a filter; return how many of them were there."""
        response = await self._call(self._retrieval.Delete, requests.delete(collection, ids, where), timeout_s)
        return response.deleted

    async def update_metadata(
        self, collection: str, metadata: Mapping[str, Metadata], *, timeout_s: float | None = None
    ) -> None:
        """Set the metadata of documents, by id, and nothing else; see `Client.update_metadata`."""
        await self._call(self._retrieval.UpdateMetadata, requests.update_metadata(collection, metadata), timeout_s)

    async def count(self, collection: str, *, where: Where | None = None, timeout_s: float | None = None) -> int:
        """Return how many documents a collection holds, or how many of them match a filter."""
        response = await self._call(self._retrieval.Count, requests.count(collection, where), timeout_s)
        return response.documents

    async def get(
        self,
        collection: str,
        ids: Iterable[str],
        *,
        skip_missing: bool = False,
        include_vectors: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Document, ...]:
        """Return documents by id, in the order of the ids; see `Client.get`."""
        request = requests.get(collection, ids, skip_missing=skip_missing, include_vectors=include_vectors)
        response = await self._call(self._retrieval.Get, request, timeout_s)
        return tuple(responses.document(one) for one in response.documents)

    async def list(
        self,
        collection: str,
        *,
        source: str = "",
        ids_only: bool = False,
        where: Where | None = None,
        page_size: int | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Document]:
        """Go through the documents of a collection with `async for`; see `Client.list`."""
        token = ""
        while True:
            request = requests.list_page(collection, page_size, token, source=source, ids_only=ids_only, where=where)
            page = await self._call(self._retrieval.List, request, timeout_s)
            for one in page.documents:
                yield responses.document(one)
            token = page.next_page_token
            if not token:
                return

    async def list_sources(
        self, collection: str, *, below: str = "", page_size: int | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[Source]:
        """Go through what documents came from with `async for`; see `Client.list_sources`."""
        token = ""
        while True:
            request = requests.sources_page(collection, below, page_size, token)
            page = await self._call(self._retrieval.ListSources, request, timeout_s)
            for one in page.sources:
                yield responses.source(one)
            token = page.next_page_token
            if not token:
                return

    async def search(
        self,
        collection: str,
        query: str,
        top_k: int = 10,
        *,
        candidates: int | None = None,
        mode: Mode = "auto",
        include_text: bool = True,
        include_metadata: bool = True,
        include_vectors: bool = False,
        similarity_weight: float | None = None,
        margin: float | None = None,
        where: Where | None = None,
        candidates_from: CandidatesFrom | None = None,
        rank_fusion: RankFusion = "distribution",
        timeout_s: float | None = None,
    ) -> SearchResult:
        """Find the documents that answer a query, best first; see `Client.search`."""
        request = requests.search(
            collection,
            query,
            top_k,
            candidates,
            mode,
            include_text,
            include_metadata,
            similarity_weight,
            margin,
            include_vectors,
            where,
            candidates_from,
            rank_fusion,
        )
        return responses.search(await self._call(self._retrieval.Search, request, timeout_s))

    async def embed(
        self, texts: Iterable[str], kind: TextKind = "document", *, timeout_s: float | None = None
    ) -> Embeddings:
        """Turn texts into vectors, with the embedder's prefix for `kind` before each."""
        return responses.embed(await self._call(self._inference.Embed, requests.embed(texts, kind), timeout_s))

    async def rerank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        *,
        timeout_s: float | None = None,
    ) -> RerankResult:
        """Score texts against a query, best first; see `Client.rerank`."""
        request = requests.rerank(query, documents, top_k)
        return responses.rerank(request, await self._call(self._inference.Rerank, request, timeout_s))

    async def tokenize(
        self,
        texts: Iterable[str],
        model: Model = "embedder",
        *,
        query: str = "",
        kind: TextKind = "document",
        ends_only: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Tokenization, ...]:
        """Show how a model sees texts, and whether they fit its window; see `Client.tokenize`."""
        request = requests.tokenize(texts, model=model, query=query, kind=kind, ends_only=ends_only)
        return responses.tokenize(await self._call(self._inference.Tokenize, request, timeout_s))

    @property
    def _retrieval(self) -> "RetrievalAsyncStub":
        return self._connection().retrieval

    @property
    def _inference(self) -> "InferenceAsyncStub":
        return self._connection().inference

    @property
    def _snapshots(self) -> "SnapshotsAsyncStub":
        return self._connection().snapshots

    @property
    def _reindexes(self) -> "ReindexesAsyncStub":
        return self._connection().reindexes

    def _connection(self) -> "_Opened":
        """Return the channel and its stubs; gRPC ties them to the event loop that runs when they are made."""
        if self._closed:
            raise errors.UnusableClient(f"the client for {self.address} is closed; make another one")
        loop = asyncio.get_running_loop()
        if self._opened is None:
            opened = grpc.aio.insecure_channel(self.address, options=channel.options(self.address))
            stubs = RetrievalStub(opened), InferenceStub(opened), SnapshotsStub(opened), ReindexesStub(opened)
            self._opened = _Opened(loop, opened, *stubs)
        if self._opened.loop is not loop:
            raise errors.UnusableClient(
                f"the AsyncClient for {self.address} belongs to the event loop of its first call, and this is another"
                " one; make a client inside each asyncio.run, or use Client"
            )
        return self._opened

    def _deadline_s(self, timeout_s: float | None) -> float:
        return self.timeout_s if timeout_s is None else channel.check_timeout(timeout_s)

    async def _describe(self, timeout_s: float | None, *, wait_for_ready: bool) -> Description:
        response = await self._call(
            self._inference.Describe, pb.DescribeRequest(), timeout_s, wait_for_ready=wait_for_ready
        )
        return responses.describe(response)

    async def _call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]",
        request: _Request,
        timeout_s: float | None,
        *,
        wait_for_ready: bool = False,
    ) -> _Response:
        channel.check_size(request)
        deadline_s = self._deadline_s(timeout_s)
        try:
            return await method(request, timeout=deadline_s, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise errors.of_rpc(error, deadline_s, self._note) from error
