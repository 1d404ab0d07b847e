"""What stands around every call: who may make it, parsing that does not raise, errors to statuses, what is seen.

One interceptor wraps every handler of shortlist.v1 and tei.v1, so that no RPC body repeats any of it; other services'
handlers are as they were, but for who may call them. Knows no RPC by name. A call that is refused for its key ends
before anything of it is read.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeAlias

import grpc

from shortlist.server.access import rights
from shortlist.server.access.callers import Access, Caller
from shortlist.server.errors import ShortlistError
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

    def __init__(self, calls: Calls, access: Access, max_request_bytes: int) -> None:
        """Begin with no handler seen."""
        self._calls = calls
        self._access = access
        self._max_request_bytes = max_request_bytes
        self._wrapped: dict[str, Callable[[Caller], Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the wrapped handler of a method for this caller, or another service's handler as it is."""
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        try:
            caller = self._access.caller(_given(handler_call_details.invocation_metadata), rights.RPCS[method])
        except ShortlistError as error:
            return _refusing(_name(method), self._calls, error)
        if not method.startswith((_SHORTLIST, _TEI)):
            return handler
        if method not in self._wrapped:
            self._wrapped[method] = _wrapped(handler, _name(method), self._calls, self._max_request_bytes)
        return self._wrapped[method](caller)


def _name(method: str) -> str:
    """Return a method's name as the log and the metrics have it; of another face than our own with that."""
    name = method.rsplit("/", 1)[1]
    return f"tei.v1/{name}" if method.startswith(_TEI) else name


def _refusing(name: str, calls: Calls, error: ShortlistError) -> Any:
    """Return what refuses a call of any kind: a handler of streams reads nothing that it does not ask for."""

    async def refuse(_: Any, context: Context) -> NoReturn:
        async with _observed(calls, name, context, "", streams=False):
            raise error
        raise AssertionError

    return grpc.stream_stream_rpc_method_handler(refuse)


def _wrapped(handler: Any, name: str, calls: Calls, max_request_bytes: int) -> Callable[[Caller], Any]:
    """Return what makes the handler of a method for a caller."""
    message_type = handler.request_deserializer.__self__  # FromString is a class method of the request's type
    kind = f"{_count(handler.request_streaming)}_{_count(handler.response_streaming)}"
    streams = handler.request_streaming
    answer, checked = getattr(handler, kind), _all_checked if streams else _checked
    parse, serialize = parser(message_type, max_request_bytes), handler.response_serializer

    def of(caller: Caller) -> Any:
        async def call(request: Any, context: Context) -> Any:
            async with _observed(calls, name, context, caller.key.name, streams=streams):
                response = await answer(checked(request, caller), context)
                caller.keep_own(response)
                return response

        return _KINDS[kind](call, request_deserializer=parse, response_serializer=serialize)

    return of


def _count(streams: bool) -> str:
    return "stream" if streams else "unary"


def _checked(request: Any, caller: Caller) -> Any:
    """Return a request that could be parsed, and is about what its caller may see."""
    message = sound(request)
    caller.check(message)
    return message


async def _all_checked(requests: AsyncIterable[Any], caller: Caller) -> AsyncIterator[Any]:
    """Yield requests up to the first that could not be parsed, and raise why; the first says what all are about."""
    is_first = True
    async for request in requests:
        yield _checked(request, caller) if is_first else sound(request)
        is_first = False


@asynccontextmanager
async def _observed(calls: Calls, name: str, context: Context, key: str, *, streams: bool) -> AsyncIterator[None]:
    """See a call from its begin to its end, and have its caller get the status of what it raised, and its id."""
    call = calls.begin("grpc", name, _given(context.invocation_metadata()), streams=streams)
    call.key = key
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


def _given(metadata: Any) -> dict[str, str]:
    """Return what a caller says in metadata that is text."""
    return {name: value for name, value in metadata or () if isinstance(value, str)}
