"""`shortlist tune` with tiny models: its file starts a server, and what it refuses it says in a line."""

import json
import os
import shutil
import signal
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from shortlist.bench import local
from shortlist.client import Client
from shortlist.server.runtime.providers import BATCH_TOKENS

WAIT_S = 120


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the command, and the file that it wrote."""

    ended: "subprocess.CompletedProcess[str]"
    out: Path

    @property
    def settings(self) -> dict:
        """Return the file's table."""
        return tomllib.loads(self.out.read_text())["serve"]


def tune(*options: object) -> "subprocess.CompletedProcess[str]":
    """Run `shortlist tune` with measurements as short as can be."""
    command = [local.SHORTLIST, "tune", *map(str, options)]
    environment = {**os.environ, "SHORTLIST_MEASURE_S": "0.01"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Tune for the tiny models, with the result as JSON."""
    folder = tmp_path_factory.mktemp("tune")
    models = ("--embedder", tiny.embedder, "--reranker", tiny.reranker, "--data", folder / "data")
    ended = tune(*models, "--out", folder / "found.toml", "--json")
    assert ended.returncode == 0, ended.stderr
    return Run(ended, folder / "found.toml")


@pytest.fixture
def models(tiny, tmp_path: Path) -> list[object]:
    """Return the options that name the tiny models, a data folder and a file, both of which are not there."""
    bundles = ["--embedder", tiny.embedder, "--reranker", tiny.reranker]
    return [*bundles, "--data", tmp_path / "data", "--out", tmp_path / "found.toml"]


def refused(*options: object) -> str:
    """Tune what cannot be tuned, and return the one line that it says after its progress."""
    ended = tune(*options)
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_a_server_starts_with_the_file(run: Run):
    """Given the file and nothing else but a port, the server runs what was chosen, as it says itself."""
    with local.serving("--config", str(run.out)) as address, Client(address) as client:
        found = client.describe()
    assert found.slots == run.settings["slots"]
    assert found.threads == run.settings["threads"]
    assert found.embedder.variant == run.settings["embedder_variant"]
    assert found.reranker.variant == run.settings["reranker_variant"]


def test_the_file_holds_the_choice(run: Run):
    """File and JSON agree; the file's head says when and with what it was made."""
    result = json.loads(run.ended.stdout)
    chosen = result["chosen"]
    assert {name: run.settings[name] for name in ("slots", "threads", "batch_tokens")} == {
        name: chosen[name] for name in ("slots", "threads", "batch_tokens")
    }
    assert run.settings["reranker_variant"] == chosen["variant"]
    assert run.settings["embedder_variant"] == result["embedder_variant"]
    head = run.out.read_text().partition("[serve]")[0]
    assert all(line.startswith("# ") for line in head.splitlines() if line)
    assert result["processor"] in head
    assert "onnxruntime" in head


def test_every_variant_was_tried(run: Run, tiny):
    """All variants of the reranker that passed were measured, and stacked only where batches change nothing."""
    variants = json.loads((tiny.reranker / "manifest.json").read_text())["variants"]
    trials = json.loads(run.ended.stdout)["trials"]
    assert {one["arrangement"]["variant"] for one in trials} == {
        name for name, one in variants.items() if not one["missed"] and "cpu" in one["providers"]
    }
    assert all(one["best"]["pairs_per_s"] > 0 and one["best"]["alone_ms"] > 0 for one in trials)
    stacked = [one["arrangement"] for one in trials if one["arrangement"]["batch_tokens"] != BATCH_TOKENS["cpu"]]
    assert all(variants[one["variant"]]["batch_invariant"] for one in stacked)


def test_progress_and_the_table(models: list[object]):
    """Progress is on standard error; table and choice are on standard output; a named variant is the only one."""
    ended = tune(*models, "--reranker-variant", "int8-token")
    assert ended.returncode == 0, ended.stderr
    assert "embedder: " in ended.stderr
    assert "first heat, round 1, 1 of " in ended.stderr
    assert ended.stdout.startswith("variant ")
    assert "fp32" not in ended.stdout.partition("embedder: ")[0]
    assert "chosen" in ended.stdout
    assert f"shortlist serve --config {models[-1]}" in ended.stdout


def test_collections_keep_their_variant(models: list[object], tiny, tmp_path: Path):
    """With collections of fp32 in the data folder fp32 stays, though another is faster, and tuning says why."""
    serve = [str(option) for option in models[:6]]
    with local.serving(*serve, "--embedder-variant", "fp32") as address, Client(address) as client:
        client.create_collection("notes")
    ended = tune(*models, "--reranker-variant", "fp32")
    assert ended.returncode == 0, ended.stderr
    assert f"embedder: fp32, the collections in {tmp_path / 'data'} were made with it" in ended.stdout
    assert Run(ended, tmp_path / "found.toml").settings["embedder_variant"] == "fp32"
    (tmp_path / "found.toml").unlink()
    line = refused(*models, "--embedder-variant", "int8-token")
    assert "holds collections that were made with another embedder" in line
    assert not (tmp_path / "found.toml").exists()


def test_a_file_that_is_there_is_refused_at_once(models: list[object], tmp_path: Path):
    """Before anything is measured, a file that is there ends the command, and stays."""
    (tmp_path / "found.toml").write_text("mine")
    ended = tune(*models)
    assert ended.returncode == 2
    assert ended.stderr.startswith("shortlist tune: out is ")
    assert len(ended.stderr.splitlines()) == 1
    assert (tmp_path / "found.toml").read_text() == "mine"


def test_refusals_are_those_of_serve(models: list[object], tiny, tmp_path: Path):
    """A bundle that is missing or of the wrong kind, a variant or provider that is not there: one line, no file."""
    assert "no bundle at" in refused(*models[:3], tmp_path / "nowhere", *models[4:])
    assert "is of kind embedder, but kind reranker is needed" in refused(*models[:3], tiny.embedder, *models[4:])
    assert "has no variant 'int4'" in refused(*models, "--reranker-variant", "int4")
    assert "has no variant 'int4'" in refused(*models, "--embedder-variant", "int4")
    assert "provider cuda is not there" in refused(*models, "--provider", "cuda", "--reranker-variant", "fp32")
    assert "provider cpu has no options" in refused(*models, "--provider-options", "device_id=1")
    assert 'Invalid value "0.0" for --measure-s. Must be 0.01 to 600.' in refused(*models, "--measure-s", "0")
    assert not (tmp_path / "found.toml").exists()


def test_no_variant_that_passed(models: list[object], tiny, tmp_path: Path):
    """A bundle of which nothing passed its gate is refused as serve refuses it."""
    shutil.copytree(tiny.reranker, tmp_path / "reranker")
    path = tmp_path / "reranker" / "manifest.json"
    manifest = json.loads(path.read_text())
    for one in manifest["variants"].values():
        one["missed"] = "kendall_tau 0.5000 is below 0.97"
    path.write_text(json.dumps(manifest))
    line = refused(*models[:3], tmp_path / "reranker", *models[4:])
    assert "has no variant for provider cpu that passed its gate" in line


def test_ctrl_c_leaves_nothing(models: list[object], tmp_path: Path):
    """Interrupted while it measures, tuning ends with 130 and no file, whole or half."""
    command = [local.SHORTLIST, "tune", "--measure-s", "100", *map(str, models)]
    with local.Process(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline().startswith("embedder: ")
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 130
    assert [path.name for path in tmp_path.iterdir() if "toml" in path.name] == []
