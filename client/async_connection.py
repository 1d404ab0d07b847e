"""A connection of `AsyncClient`: one channel, bound to an event loop, and how a call on it is made and ends."""

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
from google.protobuf.message import Message

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, ReindexesStub, RetrievalStub, SnapshotsStub

from . import channel, errors, responses
from .credentials import Credentials, checked
from .description import Description

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


class Connection:
    """A connection to a server, for asyncio."""

    def __init__(
        self, address: str = "127.0.0.1:50051", *, timeout_s: float = 30.0, credentials: Credentials | None = None
    ) -> None:
        """Prepare to talk to the server at `address`; see `Client`."""
        self.address, self.timeout_s = channel.check_target(address, timeout_s)
        self._note = channel.proxy_note(self.address)
        shown = checked(credentials)
        self._metadata, self._secure = shown.metadata, shown.of_channel()
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
            options = channel.options(self.address)
            if self._secure:
                opened = grpc.aio.secure_channel(self.address, self._secure, options)
            else:
                opened = grpc.aio.insecure_channel(self.address, options)
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
            return await method(request, timeout=deadline_s, metadata=self._metadata, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise errors.of_rpc(error, deadline_s, self.address, self._note) from error
