"""Proxies that catch calls which are not theirs, or stand in the way of others."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fake_server import Scripted
from shortlist.cli.main import main
from shortlist.client import AsyncClient, Client, DeadlineExceeded, ShortlistError, Unavailable, address

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that refuses, and what it was asked for."""

    url: str
    asked: list[str]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Run a proxy that no variable names yet."""
    for name in (*_PROXIES, "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    asked: list[str] = []

    def refuse() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                with caller:
                    if request := caller.recv(1 << 16):  # nothing from a client that was closed meanwhile
                        asked.append(request.split(b"\r\n")[0].decode())
                    caller.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse)
        thread.start()
        yield Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}", asked)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("variable", _PROXIES)
async def test_no_proxy_catches_calls_to_this_machine(scripted: Scripted, proxy: Proxy, monkeypatch, variable: str):
    """Whichever variable names it, either client calls a loopback address directly."""
    monkeypatch.setenv(variable, proxy.url)
    with Client(scripted.address) as client:
        client.embed(["text"])
    async with AsyncClient(scripted.address) as async_client:
        await async_client.embed(["text"])
    assert proxy.asked == []


def test_no_proxy_catches_a_benchmark(server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch):
    """The load generator's own channels lead to the server too."""
    monkeypatch.setenv("http_proxy", proxy.url)
    quick = ("--clients", "1", "--warm-up-s", "0", "--window-s", "0.05", "--agreeing", "1", "--max-windows", "1")
    assert main(("bench", "--address", server.address, "--load", "embed", *quick)) == 0
    assert proxy.asked == []


@pytest.mark.parametrize("variable", _PROXIES)
async def test_a_proxy_in_the_way_is_named(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, variable: str):
    """Where calls to another machine fail behind a proxy, the error says which variable, and what goes around it."""
    monkeypatch.setenv(variable, proxy.url)
    named = (
        f"; the variable {variable} sends calls to search.invalid:50051 through a proxy: put the host into the"
        " variable no_proxy to call it directly"
    )
    with Client("search.invalid:50051") as client:
        with pytest.raises(Unavailable, match=r"HTTP proxy returned response code 403.*" + re.escape(named)):
            client.create_collection("notes")
        with pytest.raises(DeadlineExceeded, match=r"within 0\.5 s" + re.escape(named)):
            client.wait_until_ready(0.5)
    async with AsyncClient("search.invalid:50051") as async_client:
        with pytest.raises(Unavailable, match=re.escape(named)):
            await async_client.create_collection("notes")
    assert set(proxy.asked) == {"CONNECT search.invalid:50051 HTTP/1.1"}


@pytest.mark.parametrize(
    ("environment", "is_caught"),
    [
        ({"http_proxy": "PROXY"}, True),
        ({"http_proxy": "PROXY", "https_proxy": ""}, False),
        ({"http_proxy": "PROXY", "https_proxy": "socks5://127.0.0.1:1"}, False),
        ({"http_proxy": "", "grpc_proxy": "PROXY"}, True),
        ({"http_proxy": "PROXY", "no_proxy": "192.0.2.1"}, False),
        ({"http_proxy": "PROXY", "no_proxy": "example.com, 2.1"}, False),
        ({"http_proxy": "PROXY", "no_proxy": "192.0.2.0/24"}, False),
        ({"http_proxy": "PROXY", "no_proxy": "192.0.2.0/32,nonsense/9"}, True),
        ({"http_proxy": "PROXY", "no_proxy": "192.0.2.1", "no_grpc_proxy": "example.com"}, True),
        ({"HTTP_PROXY": "PROXY"}, False),
    ],
)
def test_which_calls_a_proxy_catches(proxy: Proxy, monkeypatch, environment: dict[str, str], is_caught: bool):
    """What the client says of the variables is what gRPC makes of them."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("PROXY", proxy.url))
    assert (address.proxy("192.0.2.1:50051") is not None) is is_caught
    with Client("192.0.2.1:50051") as client, pytest.raises(ShortlistError):
        client.describe(timeout_s=0.5)  # an address of documentation: nobody is there
    assert bool(proxy.asked) is is_caught
