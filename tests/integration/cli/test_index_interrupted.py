"""`shortlist index` that is killed, or whose server is: the same command, or the same run, goes on."""

import json
import subprocess
import sys

import pytest

from shortlist.bench import local
from shortlist.client import Client

WAIT_S = 100
# More than are sent without an answer, and far more than a pipe holds: once these are written, some were answered.
FIRST, ALL = 1200, 1500
LINES = [json.dumps({"id": str(n), "text": f"text {n}", "metadata": {"pad": "x" * 4096}}) + "\n" for n in range(ALL)]


@pytest.fixture
def options(tiny, tmp_path) -> list[str]:
    """Return the options of a server that listens where the next one can."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--data", str(tmp_path / "data")]
    return [*models, "--host", f"unix:{tmp_path}/socket", "--log-level", "warning"]


def index(address: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start the command."""
    return subprocess.Popen(
        [sys.executable, "-m", "shortlist.cli.main", "index", "--address", address, "--json", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_command_that_is_killed(options, tmp_path):
    """What was acknowledged is there; run again, it is passed over as unchanged, and the rest is done."""
    with local.serving(*options) as address:
        with index(address, "--collection", "notes", "-") as killed:
            killed.stdin.writelines(LINES[:FIRST])
            killed.stdin.flush()
            killed.kill()
            killed.stdout.read()
        with Client(address, timeout_s=WAIT_S) as client:
            there = client.count("notes")
            (tmp_path / "all.jsonl").write_text("".join(LINES))
            with index(address, "--collection", "notes", str(tmp_path / "all.jsonl")) as again:
                told, errors = again.communicate(timeout=WAIT_S)
            result = json.loads(told)
            assert (again.returncode, errors) == (0, "")
            assert 0 < there <= result["unchanged"] <= FIRST
            assert result["inserted"] == ALL - result["unchanged"]
            assert client.count("notes") == ALL


def test_a_server_that_is_killed(options):
    """The command waits for the next server on the same data, and sends it what the first did not acknowledge."""
    first = local.start(options)
    address = local.address(first)
    with first, index(address, "--collection", "notes", "-") as running:
        running.stdin.writelines(LINES[:FIRST])
        running.stdin.flush()
        first.kill()
        first.wait(WAIT_S)
        with local.serving(*options):
            told, errors = running.communicate("".join(LINES[FIRST:]), timeout=WAIT_S)
            assert (running.returncode, errors) == (0, "")
            result = json.loads(told)
            assert (result["documents"], result["refused"], result["updated"]) == (ALL, 0, 0)
            with Client(address, timeout_s=WAIT_S) as client:
                assert client.count("notes") == ALL
