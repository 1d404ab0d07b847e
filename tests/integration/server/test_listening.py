"""A server on a Unix socket: who can reach it, and what becomes of the socket's file."""

import json
import os
import signal
import socket
import stat
import subprocess
import urllib.request
from pathlib import Path

import pytest

from shortlist.bench import local
from shortlist.cli.main import main
from shortlist.client import AsyncClient, Client

WAIT_S = 60


@pytest.fixture
def options(tiny, tmp_path: Path) -> list[str]:
    """Return the options of a server but for its host."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker)]
    return [*models, "--data", str(tmp_path / "data"), "--log-level", "warning"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the socket is to be."""
    return tmp_path / "it.sock"


def refused(options: list[str], host: str) -> str:
    """Start a server that must not start, and return the one line it says."""
    ended = subprocess.run(
        [local.SHORTLIST, "serve", *options, "--host", host],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


async def test_clients_reach_a_socket(options: list[str], path: Path):
    """Both clients take the address that the server announces, in either of its forms."""
    with local.serving(*options, "--host", f"unix:{path}") as address:
        assert address == f"unix:{path}"
        with Client(address) as client:
            client.create_collection("notes")
        async with AsyncClient(f"unix://{path}") as async_client:
            assert [one.name for one in await async_client.list_collections()] == ["notes"]


def test_commands_reach_a_socket(options: list[str], path: Path, capsys: pytest.CaptureFixture[str]):
    """`shortlist describe` and `shortlist bench` take a socket as an address."""
    with local.serving(*options, "--host", f"unix:{path}") as address:
        assert main(("describe", "--address", address, "--json")) == 0
        assert json.loads(capsys.readouterr().out)["server"]["slots"] >= 1
        quick = ("--clients", "1", "--warm-up-s", "0", "--window-s", "0.05", "--agreeing", "1", "--max-windows", "1")
        assert main(("bench", "--address", address, "--load", "embed", *quick)) == 0


def test_metrics_beside_a_socket(options: list[str], path: Path):
    """Metrics are on the loopback interface: Prometheus reads no socket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with (
        local.serving(*options, "--host", f"unix:{path}", "--metrics-port", str(port)),
        direct.open(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert b"shortlist_slots" in answer.read()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o755), (0o007, 0o770), (0o077, 0o700)])
def test_who_may_connect(options: list[str], path: Path, mask: int, mode: int):
    """The socket's permissions are what the umask leaves; nobody but its owner may connect by default."""
    before = os.umask(mask)
    try:
        serving = local.start([*options, "--host", f"unix:{path}"])
    finally:
        os.umask(before)
    with serving as process:
        local.address(process)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        process.terminate()
    assert not path.exists()


def test_a_socket_that_was_left_behind(options: list[str], path: Path):
    """After kill -9 the file is still there, and the next server takes its place."""
    with local.start([*options, "--host", f"unix:{path}"]) as process:
        local.address(process)
        process.send_signal(signal.SIGKILL)
    assert path.is_socket()
    with local.serving(*options, "--host", f"unix:{path}") as address, Client(address) as client:
        assert client.list_collections() == ()
    assert not path.exists()


def test_a_socket_on_which_a_server_listens(options: list[str], path: Path, tmp_path: Path):
    """A second server is refused, and the first one keeps its socket; gRPC alone would hand it over."""
    with local.serving(*options, "--host", f"unix:{path}") as address, Client(address) as client:
        line = refused([*options[:4], "--data", str(tmp_path / "other"), *options[6:]], address)
        assert f"cannot listen on unix:{path}: another server listens there; stop what listens there, or" in line
        assert client.list_collections() == ()


def test_what_is_no_socket_stays(options: list[str], path: Path):
    """A file of another kind is never removed."""
    path.write_text("notes")
    assert f"cannot listen on unix:{path}: it is there, and is no socket; " in refused(options, f"unix:{path}")
    assert path.read_text() == "notes"


def test_a_folder_that_is_not_there(options: list[str], path: Path):
    """The system's reason is told before anything is loaded."""
    assert f"{path}/it.sock: No such file or directory; " in refused(options, f"unix:{path}/it.sock")
