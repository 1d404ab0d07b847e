"""Connections that break without a word, and the pings that find them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fake_server import Scripted
from forwarder import forwarding
from shortlist.client import AsyncClient, Client


async def test_a_connection_that_a_box_forgot(scripted: Scripted):
    """Calls on it are answered within the default deadline, by either client, and others' at once."""
    with forwarding(scripted.address) as box, Client(box.address) as client, ThreadPoolExecutor() as pool:
        async with AsyncClient(box.address) as async_client:
            client.embed(["before"])
            await async_client.embed(["before"])
            box.forget()
            waiting = [
                asyncio.wrap_future(pool.submit(client.embed, ["after"])),
                asyncio.create_task(async_client.embed(["after"])),
            ]
            with Client(box.address) as fresh:
                await asyncio.to_thread(fresh.embed, ["fresh"])
            assert not any(one.done() for one in waiting)
            await asyncio.gather(*waiting)
    texts = sorted(request.texts[0] for request in scripted.asked("Embed"))
    assert texts == ["after", "after", "before", "before", "fresh"]


def test_an_idle_connection_that_a_box_forgot(scripted: Scripted):
    """A client finds out without a call, and the next one goes over a new connection."""
    with forwarding(scripted.address) as box, Client(box.address) as client:
        client.embed(["before"])
        box.forget()
        assert box.left.acquire(timeout=60)
        client.embed(["after"], timeout_s=3)


def test_pings_end_no_connection(server):
    """A ping a second, beside a long call and on an idle connection, is none too many for the server."""
    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    lost = threading.Event()
    with (
        grpc.insecure_channel(server.address, options) as idle,
        grpc.insecure_channel(server.address, options) as busy,
    ):
        grpc.channel_ready_future(idle).result(30)
        idle.subscribe(lambda state: state is not grpc.ChannelConnectivity.READY and lost.set())
        watch = health_pb2_grpc.HealthStub(busy).Watch(health_pb2.HealthCheckRequest(), timeout=7)
        with pytest.raises(grpc.RpcError) as ended:
            list(watch)
        assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not lost.is_set()
