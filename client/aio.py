"""`AsyncClient`: the same calls as `Client`, for asyncio.

A client belongs to the event loop in which it was made, and any number of its tasks may share it. A
cancelled task cancels its call, on the server too.
"""

import time
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from shortlist.client import channel, errors, requests, responses
from shortlist.client.types import (
    Collection,
    Description,
    Document,
    Embeddings,
    Mode,
    Model,
    RerankResult,
    SearchResult,
    TextKind,
    Tokenization,
    UpsertResult,
)
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, RetrievalStub

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")


class AsyncClient:
    """Search, index and rerank on a Shortlist server, with asyncio. Make it inside a coroutine.

        async with AsyncClient("127.0.0.1:50051") as client:
            result = await client.search("notes", "what is France's capital?")

    Arguments, results, deadlines, retries and errors are those of `Client`, whose methods say more.
    """

    def __init__(self, address: str = "127.0.0.1:50051", *, timeout_s: float = 30.0) -> None:
        """Prepare to talk to the server at `address`; see `Client`."""
        channel.check_target(address, timeout_s)
        self.address = address
        self.timeout_s = timeout_s
        self._channel = grpc.aio.insecure_channel(address, options=channel.options())
        self._retrieval = RetrievalStub(self._channel)
        self._inference = InferenceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls that are under way end with an error."""
        await self._channel.close(grace=None)

    async def wait_until_ready(self, timeout_s: float | None = None) -> Description:
        """Wait until the server takes calls, and return what it runs; see `Client.wait_until_ready`."""
        patience_s = self.timeout_s if timeout_s is None else timeout_s
        end = time.monotonic() + patience_s
        while True:
            try:
                return await self._describe(max(0.0, end - time.monotonic()), wait_for_ready=True)
            except (errors.Unavailable, errors.DeadlineExceeded) as error:
                if time.monotonic() >= end:
                    raise errors.DeadlineExceeded(
                        f"no server was ready at {self.address} within {patience_s:g} s"
                    ) from error

    async def describe(self, *, timeout_s: float | None = None) -> Description:
        """Tell what the server runs: version, models, limits."""
        return await self._describe(timeout_s, wait_for_ready=False)

    async def create_collection(
        self, name: str, *, exist_ok: bool = False, timeout_s: float | None = None
    ) -> Collection:
        """Make an empty collection; see `Client.create_collection`."""
        request = requests.create_collection(name, exist_ok=exist_ok)
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

    async def upsert(
        self, collection: str, documents: Iterable[Document], *, timeout_s: float | None = None
    ) -> UpsertResult:
        """Insert documents, or replace those whose id is there already; see `Client.upsert`."""
        request = requests.upsert(collection, documents)
        return responses.upsert(await self._call(self._retrieval.Upsert, request, timeout_s))

    async def delete(self, collection: str, ids: Iterable[str], *, timeout_s: float | None = None) -> int:
        """Delete documents by id; return how many of them were there."""
        response = await self._call(self._retrieval.Delete, requests.delete(collection, ids), timeout_s)
        return response.deleted

    async def get(
        self, collection: str, ids: Iterable[str], *, timeout_s: float | None = None
    ) -> tuple[Document, ...]:
        """Return documents by id, in the order of the ids; see `Client.get`."""
        response = await self._call(self._retrieval.Get, requests.get(collection, ids), timeout_s)
        return tuple(responses.document(one) for one in response.documents)

    async def list(
        self, collection: str, *, page_size: int | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[Document]:
        """Go through all documents of a collection with `async for`; see `Client.list`."""
        token = ""
        while True:
            request = requests.list_page(collection, page_size, token)
            page = await self._call(self._retrieval.List, request, timeout_s)
            for one in page.documents:
                yield responses.document(one)
            token = page.next_page_token
            if not token:
                return

    async def search(
        self,
        collection: str,
        query: str,
        *,
        top_k: int = 10,
        candidates: int | None = None,
        mode: Mode = "auto",
        include_text: bool = True,
        include_metadata: bool = True,
        blend: float | None = None,
        margin: float | None = None,
        timeout_s: float | None = None,
    ) -> SearchResult:
        """Find the documents that answer a query, best first; see `Client.search`."""
        request = requests.search(
            collection,
            query,
            top_k=top_k,
            candidates=candidates,
            mode=mode,
            include_text=include_text,
            include_metadata=include_metadata,
            blend=blend,
            margin=margin,
        )
        return responses.search(await self._call(self._retrieval.Search, request, timeout_s))

    async def embed(
        self, texts: Iterable[str], *, kind: TextKind = "document", timeout_s: float | None = None
    ) -> Embeddings:
        """Turn texts into vectors, with the embedder's prefix for `kind` before each."""
        return responses.embed(await self._call(self._inference.Embed, requests.embed(texts, kind), timeout_s))

    async def rerank(
        self,
        query: str,
        documents: Iterable[str],
        *,
        top_k: int | None = None,
        timeout_s: float | None = None,
    ) -> RerankResult:
        """Score texts against a query, best first; see `Client.rerank`."""
        request = requests.rerank(query, documents, top_k)
        return responses.rerank(request, await self._call(self._inference.Rerank, request, timeout_s))

    async def tokenize(
        self,
        texts: Iterable[str],
        *,
        model: Model = "embedder",
        query: str = "",
        kind: TextKind = "document",
        ends_only: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Tokenization, ...]:
        """Show how a model sees texts, and whether they fit its window; see `Client.tokenize`."""
        request = requests.tokenize(texts, model=model, query=query, kind=kind, ends_only=ends_only)
        return responses.tokenize(await self._call(self._inference.Tokenize, request, timeout_s))

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
        deadline_s = self.timeout_s if timeout_s is None else timeout_s
        channel.check_timeout(deadline_s)
        try:
            return await method(request, timeout=deadline_s, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise errors.of_rpc(error, deadline_s) from error
