"""Calls from begin to end: which are slow, what of them is kept, and which names become labels.

Tests that begin a call are tasks: it ends with them.
"""

import asyncio
import json
import logging
import time

import pytest

from seen_calls import Seen, calls
from shortlist.server import observed
from shortlist.server.observed import ObservedCall, Stage
from shortlist.server.observing.logs import Json, Plain, _with_call
from shortlist.server.observing.names import Names


async def test_a_slow_call_is_logged_with_where_its_time_went(caplog: pytest.LogCaptureFixture):
    """Its stages, its facts and its id stand in the line and in its fields."""
    seen = Seen()
    call = calls(seen, slow_s=1e-9).begin("grpc", "Search", {"x-request-id": "abc"})
    observed.add(Stage("queue", 1.0, 1.25, {}))
    observed.add(Stage("queue", 2.0, 2.25, {}))
    observed.note(reranked=7)
    observed.collection("notes")
    calls(seen, slow_s=1e-9).end(call, "OK")
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.getMessage().startswith("slow: Search took ")
    assert record.getMessage().endswith(" ms (OK), reranked 7: queue 500")
    assert (record.stages_ms, record.reranked, record.collection) == ({"queue": 500.0}, 7, "notes")
    assert [stage.seconds for stage in seen.stages] == [0.25, 0.25]


@pytest.mark.parametrize("kind", ["fast", "streams", "waits", "off"])
async def test_a_call_that_is_not_slow(kind: str, caplog: pytest.LogCaptureFixture):
    """Nothing is logged of a fast call, of one that takes as long as its caller likes, or where it is off."""
    watched = calls(slow_s={"fast": 1000.0, "off": 0.0}.get(kind, 1e-9))
    call = watched.begin("grpc", "Search", {}, streams=kind == "streams")
    if kind == "waits":
        observed.waits()
    watched.end(call, "OK")
    assert not [one for one in caplog.records if one.levelno >= logging.INFO]


async def test_a_call_is_there_in_its_tasks_and_threads():
    """What a task or a thread of it tells is the call's, and what another call tells is not."""
    watched, seen = calls(), []

    async def one(name: str) -> None:
        call = watched.begin("http", "GET /a", {"x-request-id": name})
        await asyncio.create_task(tell("embed"))
        await asyncio.to_thread(observed.stage, "write", time.monotonic())
        seen.append((observed.request_id(), sorted(call.spent)))

    async def tell(stage: str) -> None:
        observed.stage(stage, time.monotonic())

    await asyncio.gather(one("a"), one("b"))
    assert sorted(seen) == [("a", ["embed", "write"]), ("b", ["embed", "write"])]


def test_stages_are_bounded():
    """A stream keeps its first stages and the sums of all; after its end it takes none."""
    call = ObservedCall("grpc", "Ingest", "id")
    for _ in range(1000):
        call.add(Stage("write", 0.0, 1.0, {}))
    call.ended_s = 1.0
    call.add(Stage("write", 0.0, 1.0, {}))
    assert (len(call.stages), call.spent) == (128, {"write": 1000.0})


def test_labels_are_few_and_known():
    """Unknown names, and those beyond the most, share a label; what is dropped makes room and is told."""
    known = {"a", "b", "c"}
    names = Names(lambda: known, most=2)
    assert [names.label(name) for name in ("", "a", "b", "c", "none", "a")] == ["", "a", "b", "other", "other", "a"]
    known.remove("a")
    assert (names.label("c"), names.take_dropped(), names.take_dropped()) == ("c", {"a"}, set())
    assert [Names(most=1).label("key")] == ["key"]


def record(message: str, **extra: object) -> logging.LogRecord:
    """Return a record as the handler gets it."""
    made = logging.getLogger("shortlist").makeRecord("shortlist", logging.INFO, "", 0, message, (), None, extra=extra)
    _with_call(made)
    return made


async def test_a_line_names_its_call():
    """Both forms have the call's id, which a line may set itself; JSON has one line whatever is in it."""
    observed.begin(ObservedCall("grpc", "Search", "abc"))
    told = json.loads(Json().format(record("one\ntwo", stages_ms={"embed": 1.5})))
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "info",
        "logger": "shortlist",
        "message": "one\ntwo",
        "request_id": "abc",
        "method": "Search",
        "stages_ms": {"embed": 1.5},
    }
    assert "\n" not in Json().format(record("one\ntwo"))
    assert Plain("%(message)s").format(record("one")) == "one (request abc)"
    assert json.loads(Json().format(record("a run failed", request_id="x y")))["request_id"] == "x y"


def test_a_trace_stays_in_its_line():
    """An exception is a field of the JSON object, not lines behind it."""
    try:
        raise ValueError("why")
    except ValueError as error:
        failed = record("failed")
        failed.exc_info = (type(error), error, error.__traceback__)
    line = Json().format(failed)
    assert "\n" not in line
    assert "ValueError: why" in json.loads(line)["exception"]
