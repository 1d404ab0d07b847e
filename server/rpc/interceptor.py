"""What stands around every call: parsing that does not raise, errors to statuses, the log, the count.

One interceptor wraps every handler of ours, so that no RPC body repeats any of it. Knows no RPC by name.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc

from . import statuses
from .metrics import Metrics
from .request_parsing import parser, sound

logger = logging.getLogger(__name__)

_OURS = "/shortlist.v1."

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # generic in its stubs alone


class Interceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # generic in its stubs alone
    """A wrapper around every handler of the shortlist.v1 services."""

    def __init__(self, metrics: Metrics, max_request_bytes: int) -> None:
        """Begin with no handler seen."""
        self._metrics = metrics
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
        if handler is None or not method.startswith(_OURS):
            return handler
        if method not in self._wrapped:
            self._wrapped[method] = _wrapped(
                handler, method.rsplit("/", 1)[1], self._metrics, self._max_request_bytes
            )
        return self._wrapped[method]


def _wrapped(handler: Any, name: str, metrics: Metrics, max_request_bytes: int) -> Any:
    message_type = handler.request_deserializer.__self__  # FromString is a class method of the request's type

    async def call(request: Any, context: Context) -> Any:
        async with _ended(name, metrics, context):
            return await handler.unary_unary(sound(request), context)

    async def stream(requests: AsyncIterable[Any], context: Context) -> None:
        async with _ended(name, metrics, context):
            await handler.stream_stream((sound(request) async for request in requests), context)

    kind = grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
    return kind(
        stream if handler.request_streaming else call,
        request_deserializer=parser(message_type, max_request_bytes),
        response_serializer=handler.response_serializer,
    )


@asynccontextmanager
async def _ended(name: str, metrics: Metrics, context: Context) -> AsyncIterator[None]:
    """Count how a call ended, and have its caller get the status of what it raised."""
    began = time.perf_counter()
    try:
        yield
    except Exception as error:
        code, message, trailers = statuses.of(error)
        if code is grpc.StatusCode.INTERNAL:
            logger.exception("%s failed", name)
        else:
            logger.debug("%s: %s: %s", name, code.name, message)
        metrics.call(name, code.name, time.perf_counter() - began)
        await context.abort(code, message, trailers)
    except asyncio.CancelledError:  # the caller left
        metrics.call(name, grpc.StatusCode.CANCELLED.name, time.perf_counter() - began)
        raise
    else:
        took_s = time.perf_counter() - began
        metrics.call(name, grpc.StatusCode.OK.name, took_s)
        logger.debug("%s took %.1f ms", name, 1000 * took_s)
