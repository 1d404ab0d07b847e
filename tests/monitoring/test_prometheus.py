"""A real Prometheus that watches a real server by the files in `monitoring/`, and what they ask of it."""

import json
import re
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import monitored
from shortlist.bench import local
from shortlist.client import Client, Document, NotFound

WAIT_S = 120
EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus, and the metrics' address that it reads."""

    url: str
    metrics: str

    def ask(self, path: str, **query: str) -> Any:
        """Return the data of an answer of its API."""
        told = json.loads(read(f"{self.url}{path}?{urllib.parse.urlencode(query)}"))
        assert told["status"] == "success"
        return told["data"]

    def query(self, expression: str) -> list[Any]:
        """Return what an expression comes to now."""
        return self.ask("/api/v1/query", query=expression)["result"]


def read(url: str) -> bytes:
    """Return what is at an address."""
    with urllib.request.urlopen(url, timeout=WAIT_S) as answer:  # noqa: S310 (the server's and Prometheus's own)
        return answer.read()


def until(holds: Callable[[], bool]) -> None:
    """Ask again until something holds."""
    asked = threading.Event()
    for _ in range(int(WAIT_S / EVERY_S)):
        try:
            if holds():
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        asked.wait(EVERY_S)
    pytest.fail(f"not within {WAIT_S} s")


@pytest.fixture(scope="module")
def watched(binaries: Path, tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Serve, have Prometheus read the numbers every second, and call the server between its readings."""
    folder = tmp_path_factory.mktemp("prometheus")
    metrics, port = local.free_port("127.0.0.1"), local.free_port("127.0.0.1")
    config = (monitored.FOLDER / "prometheus.yaml").read_text(encoding="utf-8")
    config = config.replace("127.0.0.1:9464", f"127.0.0.1:{metrics}").replace("15s", "1s")
    (folder / "prometheus.yaml").write_text(config)
    (folder / "alerts.yaml").write_bytes(monitored.ALERTS.read_bytes())
    options = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--data", str(folder / "data"))
    more = ("--metrics-port", str(metrics), "--log-level", "warning")
    command = (
        str(binaries / "prometheus"),
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )
    with local.serving(*options, *more) as address, local.Process(command) as process:
        prometheus = Prometheus(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics")
        until(lambda: bool(prometheus.query("shortlist_info")))
        with Client(address, timeout_s=WAIT_S) as client:
            client.create_collection("notes")
            client.upsert("notes", [Document("a", "rivers"), Document("b", "hills")])
            until(lambda: called(client, prometheus))
        yield prometheus
        process.terminate()


def called(client: Client, prometheus: Prometheus) -> bool:
    """Call the server, and return whether Prometheus has read of all of it twice."""
    client.search("notes", "water", mode="two-stage")
    client.search("notes", "stones", mode="two-stage")
    with pytest.raises(NotFound):
        client.search("none", "water")
    return bool(prometheus.query('count_over_time(shortlist_requests_total{status="NOT_FOUND"}[1m]) >= 2'))


def test_every_panel_has_something_to_show(watched: Prometheus):
    """Each query of the dashboard comes to at least one series, but for what the server is not asked to do."""
    empty = {asked for _, asked in monitored.panels() if not watched.query(asked)}
    idle = re.compile("fp32|[Tt]oken vectors")
    assert empty == {asked for title, asked in monitored.panels() if idle.search(title)}


def test_alerts_are_read_and_silent(watched: Prometheus):
    """Prometheus evaluates each of them without an error, and a server that is well is not told of."""

    def rules() -> list[Any]:
        return [rule for group in watched.ask("/api/v1/rules")["groups"] for rule in group["rules"]]

    until(lambda: all(rule["health"] != "unknown" for rule in rules()))
    states = {rule["name"]: (rule["health"], rule["state"]) for rule in rules()}
    assert states == {alert["alert"]: ("ok", "inactive") for alert in monitored.alerts()}


def test_the_numbers_are_as_prometheus_wants_them(watched: Prometheus, binaries: Path):
    """Promtool finds nothing to say of names, types and units of our metrics."""
    text, command = read(watched.metrics), [binaries / "promtool", "check", "metrics"]
    checked = subprocess.run(command, input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yaml"), ("test", "rules", "alerts_test.yaml")],
    ids=["config", "alerts"],
)
def test_promtool(binaries: Path, arguments: tuple[str, ...]):
    """The example of a configuration is sound, and each alert tells of what it is for and of nothing else."""
    command = [binaries / "promtool", *arguments]
    done = subprocess.run(command, cwd=monitored.FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
