"""Where the HTTP side listens, and what keeps a server with it from starting."""

import importlib.util
import socket

import pytest

from shortlist.server import listening
from shortlist.server.errors import ListenError, SettingsError
from shortlist.server.settings import Settings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("unix:/run/it.sock", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://0.0.0.0:8080"),  # noqa: S104 (no server is started)
    ],
)
def test_where_it_is(host: str, url: str):
    """It is on gRPC's host, and beside a Unix socket on the loopback interface; IPv6 is written in brackets."""
    assert listening.http_url(Settings(host=host, http_port=8080)) == url


@pytest.mark.parametrize("missing", ["uvicorn", "h11", "orjson"])
def test_an_extra_that_is_not_installed(missing: str, monkeypatch: pytest.MonkeyPatch):
    """A server that is asked for HTTP and cannot serve it does not start; without the setting it misses nothing."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    listening.check(Settings(port=0))
    told = f"http_port is 8080, but {missing} is not installed; install .*: pip install '\\.\\[http\\]'"
    with pytest.raises(SettingsError, match=told):
        listening.check(Settings(port=0, http_port=8080))


def test_a_port_that_is_taken():
    """The port is tried before anything is loaded, and the system's reason is told."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"cannot serve HTTP on 127\.0\.0\.1:{port}: Address already in use; "):
            listening.check(Settings(port=0, http_port=port))


@pytest.mark.parametrize("other", ["port", "metrics_port"])
def test_one_port_for_two(other: str):
    """gRPC, metrics and HTTP have a port each; that none is asked for is no clash."""
    with pytest.raises(SettingsError, match="http_port is 9000, but gRPC or the metrics have that port"):
        Settings(http_port=9000, **{other: 9000})
    assert Settings(port=0).http_port == Settings(port=0).metrics_port == 0
