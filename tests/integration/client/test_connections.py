"""Connections that break without a word, and the pings that find them."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fake_server import Scripted
from forwarder import forwarding
from shortlist.client import AsyncClient, Client, Document, Unavailable, ingest


async def _not_reached(address: str, words: str) -> None:
    """Have both clients fail to reach a server, by a call that is made once and by one that goes on."""
    with Client(address) as client, pytest.raises(Unavailable, match=words):
        client.create_collection("notes")
    with Client(address) as client, pytest.raises(Unavailable, match=words):
        list(client.ingest("notes", [Document("1", "text")]))
    async with AsyncClient(address) as async_client:
        with pytest.raises(Unavailable, match=words):
            await async_client.create_collection("notes")
        with pytest.raises(Unavailable, match=words):
            await anext(async_client.ingest("notes", [Document("1", "text")]))


@pytest.mark.timeout(20)  # of the 60 s that two ingests would wait for a server that restarts
async def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch):
    """The words of this gRPC for a port where nobody listens are known: plain ones stand before them, and soon."""
    monkeypatch.setattr(ingest, "_FIRST_WAIT_S", 0.001)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        await _not_reached(address, f"^nothing answers at {address}; see that `shortlist serve` runs there")


@pytest.mark.timeout(20)
async def test_the_http_port(monkeypatch: pytest.MonkeyPatch):
    """So are those for a port that speaks HTTP/1, as the server's own other port does."""
    monkeypatch.setattr(ingest, "_FIRST_WAIT_S", 0.001)

    class Quiet(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Quiet) as other:
        thread = threading.Thread(target=other.serve_forever, daemon=True)
        thread.start()
        address = f"127.0.0.1:{other.server_port}"
        await _not_reached(
            address, f"^what answers at {address} does not speak gRPC, and may be the server's HTTP port"
        )
        other.shutdown()
        thread.join()


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
        client.embed(["after"], timeout_s=15)


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
