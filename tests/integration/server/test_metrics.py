"""Metrics over HTTP: what a server did, in Prometheus's format."""

import socket
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shortlist.bench import local
from shortlist.cli.main import main
from shortlist.client import Client, Document, NotFound
from shortlist.console.errors import UsageError


@pytest.fixture
def port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def client(tiny, tmp_path, port: int) -> Iterator[Client]:
    """Return a client of a server with metrics."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    options = ("--data", str(tmp_path), "--metrics-port", str(port), "--log-level", "warning")
    with local.serving(*models, *options) as address, Client(address) as opened:
        yield opened


def read(port: int) -> dict[tuple[str, ...], float]:
    """Return every sample's value by name and labels, these by their names."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def test_what_was_done_is_counted(client: Client, port: int):
    """Calls by status, runs by lane, cache hits and documents are what the calls made of them."""
    client.create_collection("notes")
    client.upsert("notes", [Document("a", "rivers"), Document("b", "hills and the valleys between")])
    for _ in range(2):
        client.search("notes", "water", mode="two-stage", candidates=10)
    with pytest.raises(NotFound):
        client.search("none", "water")
    found = read(port)
    requests = "shortlist_requests_total"  # by collection, face, key, method and status
    assert found[requests, "notes", "grpc", "", "Search", "OK"] == 2
    assert found[requests, "other", "grpc", "", "Search", "NOT_FOUND"] == 1
    assert found["shortlist_request_seconds_count", "grpc", "Search"] == 3
    counts = {
        stage: found["shortlist_stage_seconds_count", stage] for stage in ("embed", "rerank", "retrieve", "write")
    }
    assert counts == {"embed": 2, "rerank": 1, "retrieve": 2, "write": 1}
    lanes = ("query", "rerank", "ingest")
    padded = [found["shortlist_padded_tokens_total", lane] for lane in lanes]
    assert padded == [found["shortlist_tokens_total", lane] for lane in lanes]  # on a CPU nothing is added
    assert found[("shortlist_run_cost_ratio_count",)] == sum(found["shortlist_runs_total", lane] for lane in lanes)
    assert found[("shortlist_runs_expected_seconds_total",)] > 0
    assert found["shortlist_vectors", "notes"] == 2
    assert all(found["shortlist_disk_bytes", "notes", part] > 0 for part in ("documents", "words"))
    assert [found["shortlist_runs_total", lane] for lane in ("query", "rerank", "ingest")] == [1, 2, 2]
    assert (found["shortlist_cache_hits_total", "vectors"], found["shortlist_cache_misses_total", "vectors"]) == (
        1,
        1,
    )
    assert (found["shortlist_cache_hits_total", "scores"], found["shortlist_cache_misses_total", "scores"]) == (2, 2)
    assert found["shortlist_documents", "notes"] == 2
    assert (found["shortlist_recall", "notes"], found["shortlist_recall_target", "notes"]) == (1, 0.99)
    assert (found["shortlist_recall_missed", "notes"], found["shortlist_recall_samples", "notes"]) == (0, 0)
    assert found["shortlist_recall_beam", "notes"] == 0  # all are compared
    assert [found["shortlist_waiting_tokens", lane] for lane in lanes] == [0, 0, 0]


def test_top_shows_it(client: Client, port: int, capsys: pytest.CaptureFixture[str]):
    """`shortlist top` prints pages where there is no terminal: first since the start, then since the last."""
    client.create_collection("notes")
    client.search("notes", "water")
    assert main(["top", "--metrics", f"http://127.0.0.1:{port}/metrics", "--looks", "2", "--every-s", "0.1"]) == 0
    first, second = capsys.readouterr().out.split("Shortlist ")[1:]
    assert "grpc CreateCollection" in first
    assert "grpc Search" in first
    assert "grpc" not in second


def test_a_changed_document_is_scored_anew(client: Client, port: int):
    """After an upsert the same search scores the new version, and takes the other from the cache."""
    client.create_collection("notes")
    client.upsert("notes", [Document("a", "rivers"), Document("b", "hills")])
    before = client.search("notes", "water", mode="two-stage", candidates=10)
    client.upsert("notes", [Document("a", "rivers and many other things")])
    after = client.search("notes", "water", mode="two-stage", candidates=10)
    scores = [{hit.id: hit.score for hit in result.hits} for result in (before, after)]
    assert scores[0]["b"] == scores[1]["b"]
    assert scores[0]["a"] != scores[1]["a"]
    assert read(port)["shortlist_cache_hits_total", "scores"] == 1


def test_a_taken_port_stops_the_start(client: Client, tiny, port: int, tmp_path, capfd: pytest.CaptureFixture[str]):
    """A port that something else listens on is one line and an end, not a server without metrics."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    options = ("--data", str(tmp_path / "other"), "--metrics-port", str(port), "--log-level", "warning")
    with pytest.raises(UsageError, match="exit code 2"), local.serving(*models, *options):
        pass
    assert f"cannot serve metrics on 127.0.0.1:{port}: Address already in use" in capfd.readouterr().err
