"""All routes as one ASGI app: a request to its route, its answer or its error to the caller.

What stands around every HTTP request, as `rpc/interceptor.py` does around every RPC: finding, deadline, body, errors,
count and log. Knows no face by name.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from grpc import StatusCode

from shortlist.server.access import rights
from shortlist.server.access.callers import Access
from shortlist.server.access.rights import Need, Right
from shortlist.server.errors import InvalidRequest, ShuttingDown
from shortlist.server.listening import is_loopback
from shortlist.server.observing import request_ids
from shortlist.server.observing.calls import Calls
from shortlist.server.rpc import statuses
from shortlist.server.rpc.deadlines import Deadlines

from . import errors
from .call import Answer, Call, Left, Message, Receive, read
from .errors import COMMON, ForeignHost, ForeignOrigin, Form, UnknownRoute, WrongMethod

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_REFUSES = Need(Right.OPEN)  # what says that there is no such route, or which methods it has
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_CONTENT = 204
_EMPTY = frozenset({_NO_CONTENT, 304})  # statuses that have no body
# What callers say of how long they wait, and in which part of a second; the first that is there counts.
_TIMEOUTS = (("x-shortlist-timeout-ms", 1000), ("connect-timeout-ms", 1000), ("x-stainless-read-timeout", 1))


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a path, and what answers it."""

    method: str
    path: str  # one that ends in /* stands for all below it
    handler: Handler
    errors: Form = COMMON
    operation: Mapping[str, Any] | None = None  # its description, as OpenAPI has it; None: it is not described
    name: str = ""  # of the RPC that it is, which gRPC's callers call by that

    @property
    def label(self) -> str:
        """Return what its calls are counted by; callers do not make labels, so what is not served has one."""
        return self.name or (f"{self.method} {self.path}" if self.method else "other")


class App:
    """The app."""

    def __init__(
        self,
        routes: Iterable[Route],
        deadlines: Deadlines,
        calls: Calls,
        access: Access,
        max_bytes: int,
        *,
        needs: Callable[[str, str], Need] = rights.of_route,
        local: bool = False,
        secure: bool = False,
    ) -> None:
        """Serve these routes.

        Args:
            routes: what is served.
            deadlines: of requests.
            calls: where requests are seen.
            access: who may make them.
            max_bytes: of a body.
            needs: says which right a route wants.
            local: browsers may name this machine alone; see `check_local`.
            secure: it is served over TLS, so its pages are too.

        Raises:
            LookupError: nobody has said which right a route wants.
        """
        self._paths: dict[str, dict[str, Route]] = {}
        self._needs: dict[tuple[str, str], Need] = {}
        for route in routes:
            self._paths.setdefault(route.path, {})[route.method] = route
            self._needs[route.method, route.path] = needs(route.method, route.path)
        self._deadlines = deadlines
        self._calls = calls
        self._max_bytes = max_bytes
        self._access = access
        self._local = local
        self._secure = secure

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route, rest = self._find(scope["method"], scope["path"])
        call = _call(scope, route, rest, self._max_bytes)
        seen = self._calls.begin("http", route.label, call.headers)
        answer, status = await self._answer(route, call, receive)
        self._calls.end(seen, status.name)
        if answer:
            await _send(answer, send, {request_ids.HEADER: seen.request_id})

    async def _answer(self, route: Route, call: Call, receive: Receive) -> tuple[Answer | None, StatusCode]:
        """Return the answer, if its caller is still there, and what gRPC would call its status."""
        try:
            _set_deadline(call, self._deadlines)
            reads = route.method and call.method not in _WITHOUT_BODY  # what no route reads is not kept
            if reads:
                self._check_origin(call.headers)
            call.caller = self._access.caller(call.headers, self._needs.get((route.method, route.path), _REFUSES))
            if reads:
                call.packed = await read(receive, call.headers, self._max_bytes, call.deadline)
            return await _unless_left(route.handler(call), receive), StatusCode.OK
        except Left:
            return None, StatusCode.CANCELLED
        except asyncio.CancelledError:  # the time to drain is over
            error = ShuttingDown("the server stops; the request was not finished")
            return _failed(call, error), statuses.code(error)
        except Exception as error:
            answer = _failed(call, error)
            if answer.status == errors.UNEXPECTED:
                logger.exception("%s %s failed", call.method, call.path)
            return answer, statuses.code(error)

    def _find(self, method: str, path: str) -> tuple[Route, str]:
        """Return the route of a request, which may be one that refuses it, and the rest of the path below it."""
        if not path.startswith("/"):  # a whole URL, as for proxies
            path = "/" + path.partition("://")[2].partition("/")[2]
        for tried in (path, "/" + "/".join(filter(None, path.split("/")))):  # clients join paths with // and end in /
            pattern, rest = self._pattern(tried)
            if pattern:
                return _route(self._paths[pattern], pattern, method), rest
        return Route(method="", path="", handler=_unknown), ""

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        """Refuse what a page of another site has a browser send: nobody asked whose page may write here.

        Raises:
            ForeignOrigin: it comes from another site than this one.
            ForeignHost: it comes from a name that is not this machine's.
        """
        origin = headers.get("origin")
        if origin is None:
            return
        scheme, _, host = origin.partition("://")
        if host != headers.get("host") or (self._secure and scheme != "https"):
            limit = f"pages of {headers.get('host', 'this server')} alone may send this"
            raise ForeignOrigin("origin", origin, limit, "send it from a program, or from a page of this host")
        if self._local:
            check_local(headers)

    def _pattern(self, path: str) -> tuple[str, str]:
        """Return which of the routes' paths one is, or is below."""
        if path in self._paths:
            return path, ""
        above = path
        while above:
            above = above.rpartition("/")[0]
            if (pattern := f"{above}/*") in self._paths:
                return pattern, path[len(above) + 1 :]
        return "", ""


def _route(methods: Mapping[str, Route], path: str, method: str) -> Route:
    """Return the route of a method, or one that says which methods there are."""
    if found := methods.get("GET" if method == "HEAD" else method):
        return found
    allowed = ", ".join(sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}))

    async def answer(call: Call) -> Answer:
        if call.method == "OPTIONS":
            return Answer(status=_NO_CONTENT, headers={"allow": allowed})
        raise WrongMethod(call.method, path, allowed)

    return Route("OPTIONS" if method == "OPTIONS" else "", path, answer, next(iter(methods.values())).errors)


async def _unknown(call: Call) -> Answer:
    raise UnknownRoute("path", call.path, "nothing is served there", "GET /openapi.json says what is")


def _call(scope: Message, route: Route, rest: str, max_bytes: int) -> Call:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return Call(scope["method"], scope["path"], headers, query, math.inf, route.errors, max_bytes, rest)


def _set_deadline(call: Call, deadlines: Deadlines) -> None:
    """Say until when a call's work may take.

    Raises:
        InvalidRequest: its caller says how long it waits, and that is no time.
    """
    remaining_s = None
    call.deadline = deadlines.within(None)  # of the refusal too
    for name, parts in _TIMEOUTS:
        if (told := call.headers.get(name)) is not None:
            remaining_s = _seconds(name, told) / parts
            break
    if remaining_s is not None:
        call.expires = time.monotonic() + remaining_s
        call.deadline = deadlines.within(remaining_s)


def _seconds(name: str, told: str) -> float:
    try:
        value = float(told)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InvalidRequest(name, told, "it must be a number, 0 or more", "leave it out for the server's default")
    return value


def check_local(headers: Mapping[str, str]) -> None:
    """Refuse a browser that calls this machine by another name than a loopback's.

    Another site's name may have been pointed here (DNS rebinding): its pages are then of this host to a browser.

    Raises:
        ForeignHost: it does.
    """
    host = headers.get("host", "")
    if not is_loopback(host if host.endswith("]") else host.rpartition(":")[0] or host):
        limit = "browsers reach this server as this machine alone"
        raise ForeignHost("host", host, limit, "open it as localhost, or serve with --ui on")


async def _unless_left(handling: Awaitable[Answer], receive: Receive) -> Answer:
    """Await an answer; the work ends where its caller leaves, and where this is cancelled.

    Raises:
        Left: the caller left.
    """
    work, leaving = asyncio.ensure_future(handling), asyncio.ensure_future(_leave(receive))
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise Left
    finally:
        work.cancel()
        leaving.cancel()


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _failed(call: Call, error: Exception) -> Answer:
    status = call.errors.status(error)
    return Answer.json(call.errors.body(error, status), status, errors.headers(error))


async def _send(answer: Answer, send: Send, more: Mapping[str, str]) -> None:
    headers = []
    if answer.status not in _EMPTY:
        headers.append((b"content-length", str(len(answer.body)).encode()))
        headers.append((b"content-type", answer.content_type.encode()))
    headers += [(name.encode(), value.encode("latin-1")) for name, value in {**answer.headers, **more}.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
