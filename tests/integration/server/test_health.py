"""The server's health and reflection over gRPC, with a scheduler whose slots are really stuck."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from shortlist.server.errors import NotServing
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.rpc import health
from shortlist.server.rpc.health import Health
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded

WAIT_S = 60
STATES = health_pb2.HealthCheckResponse
SERVICES = ("shortlist.v1.Retrieval", "shortlist.v1.Snapshots", "shortlist.v1.Inference")


class Stuck:
    """A model whose runs end when the test lets them."""

    shapes = Shapes(512)

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return 0.01

    def blank(self, items: int) -> np.ndarray:
        return np.zeros((items, 1), np.float32)

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        self.entered.set()
        assert self.go.wait(WAIT_S)
        return np.zeros((len(items), 1), np.float32)

    async def probe(self) -> None:
        raise AssertionError("nothing failed")


@dataclass
class Watched:
    """A scheduler with one slot, its watchdog and a server's health, by a clock that goes on a second a look."""

    status: Health
    model: Stuck = field(default_factory=Stuck)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(slots=1, queue_tokens=100, clock=lambda: self.now)
        self.watchdog = Watchdog(self.scheduler, self.model.probe)

    def submit(self, lane: Lane = Lane.RERANK) -> Future:
        item = Encoded(np.ones(3, np.int64), np.zeros(3, np.int64), truncated=False)
        return self.scheduler.submit_whole(lane, self.model, [item])

    async def look(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            await self.watchdog.check()
        self.scheduler.refuse(self.watchdog.reason)
        await self.status.tell(self.watchdog.reason)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Health, grpc.aio.Channel]]:
    """Serve health and reflection alone."""
    server, status = grpc.aio.server(), Health(SERVICES)
    health.add_to(server, status)
    health.describe(server, SERVICES)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield status, channel
    await server.stop(None)


async def test_a_stuck_server_says_so(served: tuple[Health, grpc.aio.Channel]):
    """While the only slot is stuck in a run, health is NOT_SERVING and callers hear why; afterwards both are well."""
    status, channel = served
    watched = Watched(status)
    states = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICES[0]))
    assert (await states.read()).status == STATES.NOT_SERVING
    await status.tell("")
    assert (await states.read()).status == STATES.SERVING

    run = watched.submit()
    assert await asyncio.to_thread(watched.model.entered.wait, WAIT_S)
    waits = watched.submit()
    await watched.look(29)
    assert not waits.done()
    await watched.look(3)
    assert (await states.read()).status == STATES.NOT_SERVING
    reason = (
        "slot-0 has been in one run for 32 s, which was expected to take 0.01 s; send the request to another server"
    )
    with pytest.raises(NotServing, match=reason):
        waits.result(WAIT_S)
    with pytest.raises(NotServing, match=reason):
        watched.submit(Lane.QUERY)

    watched.model.go.set()
    assert (await asyncio.to_thread(run.result, WAIT_S)).done.all()
    await watched.look(1)
    assert (await states.read()).status == STATES.SERVING
    assert (await asyncio.to_thread(watched.submit(Lane.QUERY).result, WAIT_S)).done.all()
    states.cancel()
    watched.scheduler.stop()


async def test_list(served: tuple[Health, grpc.aio.Channel], caplog: pytest.LogCaptureFixture):
    """Health/List tells the health of the server and of each of its services, and logs nothing."""
    status, channel = served
    await status.tell("")
    found = await health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=WAIT_S)
    expected = dict.fromkeys(("", *SERVICES), STATES.SERVING)
    assert {name: one.status for name, one in found.statuses.items()} == expected
    assert caplog.text == ""


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection(served: tuple[Health, grpc.aio.Channel], version: str):
    """Both versions of reflection list all services, themselves among them, and describe each."""
    _, channel = served
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    async def ask(**request: str) -> reflection_pb2.ServerReflectionResponse:
        (answer,) = [one async for one in call(iter([reflection_pb2.ServerReflectionRequest(**request)]))]
        return answer

    services = {one.name for one in (await ask(list_services="")).list_services_response.service}
    reflections = {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
    assert services == {*SERVICES, "grpc.health.v1.Health", *reflections}
    for name in services:
        answer = await ask(file_containing_symbol=name)
        assert answer.WhichOneof("message_response") == "file_descriptor_response", name
