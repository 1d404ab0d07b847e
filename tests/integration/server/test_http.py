"""The HTTP side of a running server: where it listens, what every route has, how it starts and stops."""

import re
import signal
import socket
import subprocess
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shortlist.bench import local

WAIT_S = 60
EMBED = "/shortlist.v1.Inference/Embed"
RERANK = "/shortlist.v1.Inference/Rerank"
METHOD = "Rerank"  # as it is counted


@pytest.fixture
def http(server):
    """Return a client of the server's HTTP side."""
    with httpx.Client(base_url=server.http, trust_env=False) as opened:
        yield opened


def exchanged(server, *sent: bytes) -> bytes:
    """Return all that comes back until the server closes; each part is sent once there is an answer to the last."""
    where = urlsplit(server.http)
    answered = b""
    with socket.create_connection((where.hostname, where.port), timeout=WAIT_S) as connection:
        for part in sent:
            connection.sendall(part)
            answered += connection.recv(1 << 16)
        while more := connection.recv(1 << 16):
            answered += more
    return answered


def counted(http: httpx.Client) -> dict[tuple[str, str], float]:
    """Return how many requests ended, by method and status."""
    families = {family.name: family for family in text_string_to_metric_families(http.get("/metrics").text)}
    return {
        (one.labels["method"], one.labels["status"]): one.value
        for one in families["shortlist_requests"].samples
        if one.name == "shortlist_requests_total" and one.labels["face"] == "http"
    }


def reranks(http: httpx.Client) -> float:
    """Return how many requests for a rerank ended, however they did."""
    return sum(count for (method, _), count in counted(http).items() if method == METHOD)


def runs(http: httpx.Client) -> str:
    """Return how many runs there were for reranks."""
    return re.search(r'^shortlist_runs_total\{lane="rerank"\} (.*)$', http.get("/metrics").text, re.MULTILINE)[1]


def test_health_and_metrics(http: httpx.Client):
    """A serving server is healthy, and its numbers are on the HTTP port too, with the requests counted by route."""
    assert (http.get("/health").status_code, http.get("/health").content) == (200, b"")
    answer = http.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert "shortlist_slots" in families
    assert counted(http)["GET /health", "OK"] >= 2


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
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert ended.returncode == 2
    assert (
        f"cannot serve HTTP on 127.0.0.1:{port}: Address already in use; stop what listens there, or" in ended.stderr
    )
    assert not (tmp_path / "data").exists()


def test_requests_one_behind_the_other(server):
    """Requests that are sent without waiting are answered in order, and HTTP/1.0 ends the connection."""
    one = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"
    answers = exchanged(server, one + one.replace(b"health", b"nothing") + b"GET /health HTTP/1.0\r\n\r\n")
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", answers)
    assert statuses == [b"200", b"404", b"200"]


def test_a_body_that_waits_to_be_asked_for(server):
    """A caller that expects 100 is told to go on, and one whose body would be too large is not."""
    body = b'{"texts": ["rivers"]}'
    head = (
        f"POST {EMBED} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: ".encode()
    )
    answer = exchanged(server, head + str(len(body)).encode() + b"\r\n\r\n", body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n")
    assert b"HTTP/1.1 200 OK\r\n" in answer
    answer = exchanged(server, head + b"9999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"9999999999" in answer


def test_a_body_in_chunks(http: httpx.Client):
    """A body of unknown length comes in chunks."""
    parts = iter([b'{"texts": ', b'["rivers"]}'])
    answer = http.post(EMBED, content=parts, headers={"content-type": "application/json"})
    assert len(answer.json()["embeddings"]) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 100_000,  # and no end of them
        b"GET /health HTTP/1.1\r\n\r\n",  # without a host
        b"POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
    ],
    ids=["nonsense", "large headers", "no host", "no length", "two lengths", "tls", "no ascii"],
)
def test_what_is_no_http(server, http: httpx.Client, sent: bytes):
    """It is 400, and the server goes on."""
    assert exchanged(server, sent).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/%00", "/%FF%FE", "/%ED%A0%80", "/" + "x" * 5000, "/none?" + "&" * 5000, "/%"])
def test_odd_paths(http: httpx.Client, path: str):
    """Whatever a path holds, it is not found."""
    assert http.get(path).status_code == 404


def test_a_caller_that_leaves(server, http: httpx.Client):
    """The work of a caller that closes its connection is given up, and counted as such."""
    body = httpx.Request("POST", server.http, json={"query": "q", "documents": ["word " * 300] * 1000}).read()
    where = urlsplit(server.http)
    left = (METHOD, "CANCELLED")
    before = counted(http).get(left, 0)
    while counted(http).get(left, 0) == before:  # on a busy machine an answer may be there before anybody left
        begun, ended = runs(http), reranks(http)
        with socket.create_connection((where.hostname, where.port), timeout=WAIT_S) as connection:
            connection.sendall(
                f"POST {RERANK} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
            )
            while runs(http) == begun and reranks(http) == ended:
                pass
        while reranks(http) == ended:
            pass
    while 'shortlist_waiting_tokens{lane="rerank"} 0.0' not in http.get("/metrics").text:
        pass


def test_sigterm_finishes_what_is_under_way(tiny, tmp_path):
    """After SIGTERM a request that had begun is answered, new ones are refused; it exits with 0."""
    port = local.free_port()
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    options = (*models, "--data", str(tmp_path / "data"), "--http-port", str(port), "--log-level", "warning")
    with local.start(options) as process:
        local.address(process)
        assert process.stdout.readline() == f"listening on http://127.0.0.1:{port}\n"
        base = f"http://127.0.0.1:{port}"
        body = httpx.Request("POST", base, json={"query": "q", "documents": ["word " * 300] * 1000}).read()
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
            connection.sendall(
                f"POST {RERANK} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
            )
            with httpx.Client(base_url=base, trust_env=False) as http:
                while runs(http) == "0.0":
                    pass
            process.send_signal(signal.SIGTERM)
            answer = b""
            while more := connection.recv(1 << 16):
                answer += more
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"reranked":1000' in answer
        assert process.wait(WAIT_S) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{base}/health", trust_env=False)
