"""One HTTP request and its answer, as the faces see them.

Knows no route. A body is bounded both as it came and unpacked, and JSON is strict: no NaN, no lone surrogates.
"""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from shortlist.server.access.callers import ANYONE, Caller
from shortlist.server.errors import DeadlineExceeded, TooLarge

from .errors import BadBody, Form, WrongMediaType
from .strict_json import loads

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]

JSON = "application/json"
_GZIP = 16 + zlib.MAX_WBITS  # a header and a checksum of gzip's
_FEW_BYTES = 64 << 10  # unpacked on the spot: a thread takes longer
_LONGEST_BODY_S = 60.0


class Left(Exception):
    """A caller that closed the connection."""


@dataclass(slots=True)
class Call:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]  # by their names in lower case
    query: Mapping[str, str]
    deadline: float  # when its work must be done, of the monotonic clock in seconds
    errors: Form  # the route's; a face that tells its callers apart by the body sets another
    max_bytes: int
    rest: str = ""  # what of the path stands for the * of the route's
    expires: float | None = None  # when its caller stops waiting, where that is known
    caller: Caller = ANYONE
    packed: bytes = field(default=b"", repr=False)  # the body as it came

    async def body(self) -> bytes:
        """Return the body, unpacked.

        Raises:
            InvalidRequest: it cannot be unpacked, or is too large.
        """
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in {"", "identity"}:
            return self.packed
        if encoding != "gzip":
            remedy = "send it as it is, or packed with gzip"
            raise WrongMediaType("content-encoding", encoding, "a body may be packed with gzip alone", remedy)
        if len(self.packed) < _FEW_BYTES:
            return self._unpacked()
        return await asyncio.to_thread(self._unpacked)

    async def json(self) -> Any:
        """Return the body, read as JSON.

        Raises:
            InvalidRequest: it is none.
        """
        kind = self.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        if not (kind in {"", JSON, "text/json"} or kind.endswith("+json")):
            raise WrongMediaType("content-type", kind, "this route reads JSON", f"send content-type: {JSON}")
        return loads(await self.body())

    def _unpacked(self) -> bytes:
        data, rest = bytearray(), self.packed
        try:
            while rest:  # gzip allows several members, one behind the other
                member = zlib.decompressobj(_GZIP)
                data += member.decompress(rest, self.max_bytes + 1 - len(data))
                if len(data) > self.max_bytes:
                    raise too_large(f"more than {self.max_bytes}", self.max_bytes)
                if not member.eof:
                    raise zlib.error("it ends too early")
                rest = member.unused_data
        except zlib.error as error:
            limit = f"its content-encoding is gzip: {error}"
            raise BadBody("body", self.packed[:20], limit, "pack it again, or send it as it is") from None
        return bytes(data)


async def read(receive: Receive, headers: Mapping[str, str], max_bytes: int, deadline: float) -> bytes:
    """Return a request's body as it comes.

    Raises:
        TooLarge: it is, or says that it will be; the rest of it is not kept.
        DeadlineExceeded: it took too long to come: until the deadline, or for a minute.
        Left: its caller went away.
    """
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large(announced, max_bytes)
    parts, size, more = [], 0, True
    try:
        # The event loop's clock is the monotonic one. A caller may name any deadline, and holds memory until then.
        async with asyncio.timeout_at(min(deadline, time.monotonic() + _LONGEST_BODY_S)):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Left
                part, more = message.get("body", b""), message.get("more_body", False)
                size += len(part)
                if size > max_bytes:
                    raise too_large(size, max_bytes)
                parts.append(part)
    except TimeoutError:
        raise DeadlineExceeded(
            f"{size} bytes of the body came in time, and not the last one; send it sooner, or allow more time"
        ) from None
    return b"".join(parts)


def too_large(size: object, most: int) -> TooLarge:
    """Return why a body of so many bytes is refused."""
    limit = f"the most is {most} (the server's max_request_bytes)"
    return TooLarge("bytes of the request", size, limit, "send fewer or shorter texts")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller gets."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """Return an answer in JSON; arrays of NumPy's may be anywhere in it."""
        body = orjson.dumps(value, default=_contiguous, option=orjson.OPT_SERIALIZE_NUMPY)
        return cls(body, status, headers=headers or {})


def _contiguous(value: Any) -> NDArray[Any]:
    """Return an array as orjson reads it: not as a part of another, such as the first elements of vectors.

    Raises:
        TypeError: it is no array.
    """
    if isinstance(value, np.ndarray) and not value.flags.c_contiguous:
        return np.ascontiguousarray(value)
    raise TypeError  # orjson says of what
