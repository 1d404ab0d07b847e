"""A connection of `Client`: one channel, and how a call on it is made and ends."""

import time
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, ReindexesStub, RetrievalStub, SnapshotsStub

from . import channel, errors, responses
from .credentials import Credentials, checked
from .description import Description

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")


class Connection:
    """A connection to a server."""

    def __init__(
        self, address: str = "127.0.0.1:50051", *, timeout_s: float = 30.0, credentials: Credentials | None = None
    ) -> None:
        """Prepare to talk to the server at `address`; nothing is sent yet.

        Args:
            address: `host:port`, or another target that gRPC resolves: `unix:/run/shortlist.sock`, `dns:///host:port`.
            timeout_s: deadline of a call that names none itself; more than 0, and 30 days at most.
            credentials: an API key, TLS, a certificate; None: what the environment says (`credentials.py`).

        Raises:
            InvalidRequest: no server can have the address, the deadline is outside its limits, or a file of the
                credentials cannot be read.
        """
        self.address, self.timeout_s = channel.check_target(address, timeout_s)
        self._note = channel.proxy_note(self.address)
        self._closed = False
        shown = checked(credentials)
        self._metadata, secure = shown.metadata, shown.of_channel()
        options = channel.options(self.address)
        if secure:
            self._channel = grpc.secure_channel(self.address, secure, options)
        else:
            self._channel = grpc.insecure_channel(self.address, options)
        self._retrieval = RetrievalStub(self._channel)
        self._inference = InferenceStub(self._channel)
        self._snapshots = SnapshotsStub(self._channel)
        self._reindexes = ReindexesStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that are under way in other threads end with an error."""
        self._closed = True
        self._channel.close()

    def wait_until_ready(self, timeout_s: float | None = None) -> Description:
        """Wait until the server takes calls, and return what it runs.

        Raises:
            DeadlineExceeded: it did not within `timeout_s`.
        """
        patience_s = self._deadline_s(timeout_s)
        end = time.monotonic() + patience_s
        while True:
            # No sleep here: gRPC waits for the connection, and between its own retries.
            try:
                return self._describe(max(0.0, end - time.monotonic()), wait_for_ready=True)
            except (errors.Unavailable, errors.DeadlineExceeded) as error:
                if time.monotonic() >= end:
                    raise errors.DeadlineExceeded(
                        f"no server was ready at {self.address} within {patience_s:g} s{self._note}"
                    ) from error

    def describe(self, *, timeout_s: float | None = None) -> Description:
        """Return what the server runs: version, models, limits."""
        return self._describe(timeout_s, wait_for_ready=False)

    def _check_open(self) -> None:
        if self._closed:
            raise errors.UnusableClient(f"the client for {self.address} is closed; make another one")

    def _deadline_s(self, timeout_s: float | None) -> float:
        return self.timeout_s if timeout_s is None else channel.check_timeout(timeout_s)

    def _describe(self, timeout_s: float | None, *, wait_for_ready: bool) -> Description:
        response = self._call(
            self._inference.Describe, pb.DescribeRequest(), timeout_s, wait_for_ready=wait_for_ready
        )
        return responses.describe(response)

    def _call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[_Request, _Response]",
        request: _Request,
        timeout_s: float | None,
        *,
        wait_for_ready: bool = False,
    ) -> _Response:
        self._check_open()
        channel.check_size(request)
        deadline_s = self._deadline_s(timeout_s)
        try:
            return method(request, timeout=deadline_s, metadata=self._metadata, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise errors.of_rpc(error, deadline_s, self.address, self._note) from error
