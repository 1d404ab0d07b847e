"""What stands around every HTTP request: finding its route, its deadline, its caller, its errors."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from asgi import ask
from open_access import ACCESS, needs
from seen_calls import Seen, calls
from shortlist.server.errors import InferenceFailed, Overloaded, UnknownCollection
from shortlist.server.http.app import App, Route
from shortlist.server.http.call import Answer, Call
from shortlist.server.rpc.services import Deadlines

DEADLINES = Deadlines(30.0, 0.015)


async def tell(call: Call) -> Answer:
    """Answer what the route was told of its request."""
    body = (await call.body()).decode()
    return Answer.json({"path": call.path, "rest": call.rest, "query": call.query, "body": body})


def app_of(*routes: Route, seen: Seen | None = None) -> App:
    """Return an app that takes 1,000 bytes at most."""
    return App(routes, DEADLINES, calls(seen), ACCESS, 1000, needs=needs)


def raising(error: Exception) -> Callable[[Call], Awaitable[Answer]]:
    """Return a handler that raises."""

    async def handle(call: Call) -> Answer:
        raise error

    return handle


@pytest.mark.parametrize(
    ("path", "rest"),
    [("/a", None), ("//a/", None), ("/b/c/d", "c/d"), ("/b//c/", "/c/"), ("/b/e", "exact"), ("http://here/a", None)],
)
async def test_paths(path: str, rest: str | None):
    """A path is found as it is, but for slashes too many; * stands for all below, and what is exact goes first."""

    async def exact(call: Call) -> Answer:
        return Answer.json({"rest": "exact"})

    app = app_of(Route("GET", "/a", tell), Route("GET", "/b/*", tell), Route("GET", "/b/e", exact))
    answer = await ask(app, "GET", path)
    assert (answer.status, answer.json["rest"]) == (200, rest or "")


async def test_the_query():
    """What stands behind the question mark is decoded, empty values too."""
    answer = await ask(app_of(Route("GET", "/a", tell)), "GET", "/a", query="x=a%20b&y=")
    assert answer.json["query"] == {"x": "a b", "y": ""}


@pytest.mark.parametrize("path", ["/", "/c", "/a/b", "*", "", "/b/../a", "/é\udcff"])
async def test_an_unknown_path(path: str):
    """What is not there is 404, and is counted under no path: callers do not make series in the metrics."""
    seen = Seen()
    answer = await ask(app_of(Route("GET", "/a", tell), seen=seen), "GET", path)
    assert (answer.status, answer.json["error"]["code"]) == (404, "unknown_route")
    assert seen.statuses == [("other", "INVALID_ARGUMENT")]


async def test_methods():
    """A method that a path does not have is 405 with those it has; OPTIONS tells them, HEAD is GET's."""
    app = app_of(Route("GET", "/a", tell), Route("POST", "/a", tell), Route("POST", "/b", tell))
    answer = await ask(app, "DELETE", "/a")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    answer = await ask(app, "OPTIONS", "/b")
    assert (answer.status, answer.headers["allow"], answer.body) == (204, "OPTIONS, POST", b"")
    assert (await ask(app, "HEAD", "/a")).status == 200
    assert (await ask(app, "HEAD", "/b")).status == 405


async def test_a_body_in_parts():
    """A body comes in as many parts as it likes, up to the limit."""
    app = app_of(Route("POST", "/a", tell))
    assert (await ask(app, "POST", "/a", body=[b"x"] * 1000)).json["body"] == "x" * 1000
    answer = await ask(app, "POST", "/a", body=[b"x"] * 1001)
    told = "bytes of the request: got 1001, but the most is 1000 (the server's max_request_bytes); send fewer or"
    assert (answer.status, answer.json["message"].startswith(told)) == (413, True)


async def test_a_body_that_says_it_is_too_large():
    """It is refused before a byte of it is read."""
    unread = [b"never read"]
    app = app_of(Route("POST", "/a", tell))

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": unread.pop(), "more_body": False}

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"method": "POST", "path": "/a", "query_string": b"", "headers": [(b"content-length", b"1001")]}
    await app(scope, receive, send)
    assert (sent[0]["status"], unread) == (413, [b"never read"])


async def test_a_body_that_no_route_reads():
    """What is sent to a path that is not there, or by another method, may be of any size: none of it is kept."""
    app = app_of(Route("GET", "/a", tell))
    for path, status in (("/none", 404), ("/a", 405)):
        assert (await ask(app, "POST", path, body=[b"x"] * 2000)).status == status


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({}, 30),
        ({"x-shortlist-timeout-ms": "2000"}, 2),
        ({"connect-timeout-ms": "3000"}, 3),
        ({"x-stainless-read-timeout": "600"}, 600),
        ({"x-stainless-read-timeout": "4.5"}, 4.5),
        ({"x-stainless-read-timeout": "600", "connect-timeout-ms": "3000", "x-shortlist-timeout-ms": "2000"}, 2),
    ],
)
async def test_deadlines(headers: dict[str, str], expected_s: float):
    """The time that a caller names, in its own unit, less what answering takes; the most explicit one counts."""
    left: list[float] = []

    async def handle(call: Call) -> Answer:
        left.append(call.deadline - time.monotonic())
        return Answer()

    await ask(app_of(Route("GET", "/a", handle)), "GET", "/a", headers=headers)
    assert left[0] == pytest.approx(expected_s * 0.95, abs=0.5)


@pytest.mark.parametrize("told", ["", "soon", "-1", "nan", "inf", "1e999"])
async def test_a_time_that_is_none(told: str):
    """A deadline that cannot be read is refused by name: without it the caller would wait longer than it said."""
    answer = await ask(app_of(Route("GET", "/a", tell)), "GET", "/a", headers={"connect-timeout-ms": told})
    assert (answer.status, answer.json["error"]["param"]) == (400, "connect-timeout-ms")


async def test_a_body_that_does_not_come():
    """A caller that sends half a body is answered at its deadline."""
    app = app_of(Route("POST", "/a", tell))
    answers: list[int] = []

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, int]) -> None:
        answers.append(message.get("status", 0))

    headers = [(b"x-shortlist-timeout-ms", b"1")]
    await app({"method": "POST", "path": "/a", "query_string": b"", "headers": headers}, receive, send)
    assert answers[0] == 504


async def test_a_caller_that_leaves():
    """Its work is cancelled, and it is counted as such."""
    began, leaves, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(call: Call) -> Answer:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    seen = Seen()
    asking = asyncio.create_task(ask(app_of(Route("POST", "/a", handle), seen=seen), "POST", "/a", leaves=leaves))
    await began.wait()
    leaves.set()
    assert await asking is None
    await cancelled.wait()
    assert seen.statuses == [("POST /a", "CANCELLED")]


async def test_a_server_that_stops():
    """A request that is cancelled by the end of the drain is answered with 503, and its work ends."""
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(call: Call) -> Answer:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    asking = asyncio.create_task(ask(app_of(Route("GET", "/a", handle)), "GET", "/a"))
    await began.wait()
    asking.cancel()
    answer = await asking
    assert (answer.status, answer.json["error"]["code"]) == (503, "shutting_down")
    await cancelled.wait()


async def test_hints_of_an_overloaded_server():
    """429 says when to come back, in milliseconds and in whole seconds, rounded up."""
    app = app_of(Route("GET", "/a", raising(Overloaded("too much", 1001))))
    answer = await ask(app, "GET", "/a")
    assert (answer.status, answer.json["error"]["type"]) == (429, "rate_limit_error")
    assert (answer.headers["retry-after-ms"], answer.headers["retry-after"]) == ("1001", "2")


async def test_what_is_our_fault(caplog: pytest.LogCaptureFixture):
    """A defect is 500 without its words, which are in the log; a run that failed tells its own."""
    app = app_of(
        Route("GET", "/a", raising(KeyError("secret"))), Route("GET", "/b", raising(InferenceFailed("a run failed")))
    )
    answer = await ask(app, "GET", "/a")
    told = f"the server failed; its log has the cause, as request {answer.headers['x-request-id']}"
    assert (answer.status, answer.json["message"], answer.json["id"]) == (500, told, answer.headers["x-request-id"])
    assert b"secret" not in answer.body
    assert "secret" in caplog.text
    assert (await ask(app, "GET", "/b")).json["detail"] == "a run failed"


async def test_the_form_that_a_handler_chooses():
    """A route whose callers are told apart by the body answers each in its own form."""
    from shortlist.server.http import errors  # noqa: PLC0415

    async def handle(call: Call) -> Answer:
        call.errors = errors.TEI
        raise UnknownCollection("none")

    answer = await ask(app_of(Route("GET", "/a", handle)), "GET", "/a")
    assert (answer.status, answer.json) == (404, {"error": "none", "error_type": "Validation"})


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://here:80", 200),
        ("https://here:80", 200),
        ("http://here", 403),
        ("http://elsewhere", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
    ],
)
async def test_pages_of_other_sites(origin: str | None, status: int):
    """What a browser sends for another site's page is refused; programs send no origin, and reading is harmless."""
    app = app_of(Route("POST", "/a", tell), Route("GET", "/a", tell))
    headers = {"host": "here:80"} | ({} if origin is None else {"origin": origin})
    assert (await ask(app, "POST", "/a", headers=headers)).status == status
    assert (await ask(app, "GET", "/a", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:80", 200), ("127.0.0.1:80", 200), ("[::1]:80", 200), ("elsewhere:80", 403), ("elsewhere", 403)],
)
async def test_names_that_were_pointed_here(host: str, status: int):
    """On a server of this machine alone, browsers must use a name of this machine's; programs may use any."""
    app = App([Route("POST", "/a", tell)], DEADLINES, calls(), ACCESS, 1000, needs=needs, local=True)
    assert (await ask(app, "POST", "/a", headers={"host": host, "origin": f"http://{host}"})).status == status
    assert (await ask(app, "POST", "/a", headers={"host": host})).status == 200


async def test_a_request_has_an_id():
    """The id that a caller gives comes back in the header, and in the body of an error; else there is a new one."""
    seen = Seen()
    app = app_of(Route("GET", "/a", tell), Route("GET", "/b", raising(UnknownCollection("none"))), seen=seen)
    assert (await ask(app, "GET", "/a", headers={"x-request-id": "mine\u00e9 1"})).headers["x-request-id"] == "mine1"
    refused = await ask(app, "GET", "/b", headers={"x-request-id": "other"})
    assert (refused.headers["x-request-id"], refused.json["id"]) == ("other", "other")
    await ask(app, "GET", "/a")
    assert [len(call.request_id) for call in seen.calls] == [5, 5, 32]
