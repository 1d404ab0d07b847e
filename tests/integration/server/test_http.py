"""The HTTP side of a running server: where it listens, what every route has, how it starts and stops."""

import socket
import subprocess

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shortlist.bench import local


@pytest.fixture
def http(server):
    """Return a client of the server's HTTP side."""
    with httpx.Client(base_url=server.http, trust_env=False) as opened:
        yield opened


def test_health_and_metrics(http: httpx.Client):
    """A serving server is healthy, and its numbers are on the HTTP port too, with the requests counted by route."""
    assert (http.get("/health").status_code, http.get("/health").content) == (200, b"")
    answer = http.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert "shortlist_slots" in families
    counted = {
        (one.labels["method"], one.labels["route"], one.labels["status"]): one.value
        for one in families["shortlist_http_seconds"].samples
        if one.name == "shortlist_http_seconds_count"
    }
    assert counted["GET", "/health", "200"] >= 2


def test_a_route_that_is_not_there(http: httpx.Client):
    """404 says what is missing, in the body that all SDKs read."""
    answer = http.get("/none")
    body = answer.json()
    assert answer.status_code == 404
    told = "path: got '/none', but nothing is served there; GET /openapi.json says what is"
    assert body["message"] == body["detail"] == body["error"]["message"] == told
    assert body["error"]["code"] == "unknown_route"


def test_methods(http: httpx.Client):
    """Another method is refused with those that there are; HEAD and OPTIONS are answered."""
    assert http.post("/health").status_code == 405
    assert http.post("/health").headers["allow"] == "GET, HEAD, OPTIONS"
    assert (http.head("/metrics").status_code, http.head("/metrics").content) == (200, b"")
    assert http.options("/health").headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_taken_port_stops_the_start(tiny, tmp_path):
    """A port that something else listens on is one line and exit code 2, before anything is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
        options = ("--data", str(tmp_path / "data"), "--port", "0", "--http-port", str(port))
        command = [local.SHORTLIST, "serve", *models, *options]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert (
        f"cannot serve HTTP on 127.0.0.1:{port}: Address already in use; stop what listens there, or" in ended.stderr
    )
    assert not (tmp_path / "data").exists()
