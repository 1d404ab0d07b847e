"""What stands around every call: parsing that does not raise, errors to statuses, and what is seen of it.

One interceptor wraps every handler of shortlist.v1 and tei.v1, so that no RPC body repeats any of it. Knows no RPC by
name.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc

from shortlist.server.observing import request_ids
from shortlist.server.observing.calls import Calls

from . import statuses
from .request_parsing import parser, sound

logger = logging.getLogger(__name__)

_SHORTLIST, _TEI = "/shortlist.v1.", "/tei.v1."
_KINDS = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "stream_unary": grpc.stream_unary_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # generic in its stubs alone


class Interceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # generic in its stubs alone
    """A wrapper around every handler of the services of shortlist.v1 and tei.v1."""

    def __init__(self, calls: Calls, max_request_bytes: int) -> None:
        """Begin with no handler seen."""
        self._calls = calls
        self._max_request_bytes = max_request_bytes
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the wrapped handler of a method, or another service's handler as it is."""
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith((_SHORTLIST, _TEI)):
            return handler
        if method not in self._wrapped:
            self._wrapped[method] = _wrapped(handler, _name(method), self._calls, self._max_request_bytes)
        return self._wrapped[method]


def _name(method: str) -> str:
    """Return a method's name as the log and the metrics have it; of another face than our own with that."""
    name = method.rsplit("/", 1)[1]
    return f"tei.v1/{name}" if method.startswith(_TEI) else name


def _wrapped(handler: Any, name: str, calls: Calls, max_request_bytes: int) -> Any:
    message_type = handler.request_deserializer.__self__  # FromString is a class method of the request's type
    kind = f"{_count(handler.request_streaming)}_{_count(handler.response_streaming)}"
    streams = handler.request_streaming
    answer, checked = getattr(handler, kind), _all_sound if streams else sound

    async def call(request: Any, context: Context) -> Any:
        async with _observed(calls, name, context, streams=streams):
            return await answer(checked(request), context)

    return _KINDS[kind](
        call,
        request_deserializer=parser(message_type, max_request_bytes),
        response_serializer=handler.response_serializer,
    )


def _count(streams: bool) -> str:
    return "stream" if streams else "unary"


async def _all_sound(requests: AsyncIterable[Any]) -> AsyncIterator[Any]:
    """Yield requests up to the first that could not be parsed, and raise why it could not."""
    async for request in requests:
        yield sound(request)


@asynccontextmanager
async def _observed(calls: Calls, name: str, context: Context, *, streams: bool) -> AsyncIterator[None]:
    """See a call from its begin to its end, and have its caller get the status of what it raised, and its id."""
    call = calls.begin("grpc", name, _given(context), streams=streams)
    told = ((request_ids.HEADER, call.request_id),)
    context.set_trailing_metadata(told)
    try:
        yield
    except Exception as error:
        code, message, trailers = statuses.of(error)
        if code is grpc.StatusCode.INTERNAL:
            logger.exception("%s failed", name)
        else:
            logger.debug("%s: %s: %s", name, code.name, message)
        calls.end(call, code.name)
        await context.abort(code, message, trailers + told)
    except asyncio.CancelledError:  # the caller left
        calls.end(call, grpc.StatusCode.CANCELLED.name)
        raise
    else:
        calls.end(call, grpc.StatusCode.OK.name)


def _given(context: Context) -> dict[str, str]:
    """Return what a caller says in metadata that is text."""
    return {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
