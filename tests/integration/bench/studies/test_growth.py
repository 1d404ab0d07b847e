"""The measurements of growth, memory and overhead on a real server with tiny models."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from shortlist.bench.studies import overhead, soak
from shortlist.bench.studies.growth import __main__ as growth
from shortlist.bench.studies.growth import filling
from shortlist.console.options import UsageError

QUICK = (
    *("--warm-up-s", "0", "--window-s", "0.05", "--window-requests", "2", "--agreeing", "1", "--max-windows", "1"),
    *("--passages", "4", "--recall-queries", "5"),
)


@pytest.fixture
def folder(tmp_path):
    """Write a small BEIR collection."""
    words = ["river", "valley", "runs", "between", "hills", "where", "it", "ends", "there", "lake"]
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(words, 6)) + ". " + " ".join(rng.choice(words, 6)) for _ in range(30)]
    for name in ("corpus", "queries"):
        lines = [json.dumps({"_id": str(number), "text": text}) for number, text in enumerate(texts)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def run(tiny, folder, monkeypatch, capsys):
    """Run a command's main with tiny bundles; return its exit code, the lines of its tables, and the JSON."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))

    def command(module, *arguments: str):
        given = ["bench", *models, "--collection-folder", str(folder), "--json", *arguments]
        monkeypatch.setattr("sys.argv", given)
        code, printed = module.main(), capsys.readouterr()
        return code, printed.err.splitlines(), json.loads(printed.out)

    return command


def test_growth_is_measured_once(run, folder):
    """Every axis has its levels with its facts, both ends have a line, and a second run measures nothing again."""
    given = (
        *QUICK,
        *("--documents", "20,60", "--clients", "1,3", "--tokens", "4,500", "--held", "20"),
        *("--data", str(folder), "--results", str(folder / "results.json"), "--plot", str(folder / "plot.png")),
    )
    code, lines, found = run(growth, *given)
    assert code == 0
    points = {(one["axis"], one["at"], one["load"], one["clients"]): one for one in found["points"]}
    assert set(points) == {
        *(("documents", at, load, clients) for at in (20, 60) for load in ("dense", "search") for clients in (1, 8)),
        *(("clients", at, load, at) for at in (1, 3) for load in ("rerank", "dense")),
        *(("tokens", at, "rerank", clients) for at in (4, 500) for clients in (1, 8)),
        *(("tokens", at, "embed", 8) for at in (4, 500)),
    }
    for one in points.values():
        assert one["errors"] == {}
        assert one["p50_ms"] > 0
        assert 0 < one["busy_slots"] <= one["slots"]
        assert one["rss_mb"] > 10
    # Ten of 60 by chance would be 0.17. In an index of 60, float16 may swap some neighbours.
    assert 0.8 < points["documents", 60, "dense", 1]["facts"]["recall_at_10"] <= 1
    assert points["tokens", 4, "rerank", 1]["facts"]["cut"] == 0
    assert points["tokens", 500, "rerank", 1]["facts"]["cut"] == 1
    assert any(line.startswith("search, 60 documents, 8 clients: ") for line in lines)
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    _, fewer, again = run(growth, *given)
    assert again["points"] == found["points"]
    assert len(fewer) < len(lines)


def test_filling_goes_on(tiny, folder):
    """A collection that was filled in part is filled up, one that is full stays, one that is larger is refused."""
    data, passages, seen = folder / "data", [f"river {number}" for number in range(10)], []

    def filled(documents):
        return filling.fill(data, tiny.embedder, tiny.reranker, passages, documents, seen.append).documents

    assert [filled(20), filled(35), filled(35)] == [20, 15, 0]
    assert seen == [20, 35]
    with pytest.raises(UsageError, match="holds 35 documents, but 20 are wanted"):
        filled(20)


@pytest.mark.parametrize(("allowed", "code"), [("10", 0), ("-0.9", 1)])
def test_a_soak_judges(run, allowed, code):
    """All requests are counted, of every kind, memory is looked at on the way, and the limit decides."""
    ended, lines, told = run(soak, "--requests", "300", "--first", "100", "--allowed-growth", allowed)
    assert ended == code
    assert told["requests"] == 300 == sum(told["kinds"].values())
    assert set(told["kinds"]) == {"embed", "rerank", "dense", "search", "upsert", "delete"}
    assert told["errors"] == {}
    assert [one["requests"] for one in told["samples"]] == list(range(3, 301, 3))
    assert (told["first"]["requests"], told["last"]["requests"]) == (100, 300)
    assert told["growth"] == pytest.approx(told["last"]["rss_mb"] / told["first"]["rss_mb"] - 1, abs=0.01)
    assert lines[-1].endswith("passed" if code == 0 else "failed")


def test_an_interrupted_growth_keeps_what_it_has(tiny, folder):
    """Ctrl-C ends the level under way and measures no other; those before it are told and kept."""
    command = [sys.executable, "-m", "shortlist.bench.studies.growth", "--embedder", str(tiny.embedder), *QUICK]
    command += ["--reranker", str(tiny.reranker), "--collection-folder", str(folder), "--axes", "clients", "--json"]
    command += [
        "--held",
        "20",
        "--clients",
        ",".join(map(str, range(1, 200))),
        "--results",
        str(folder / "kept.json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(2):  # heads, and the first level
            process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert process.returncode == 130
    told = json.loads(out)
    assert told["interrupted"]
    assert 1 <= len(told["points"]) < 20
    assert json.loads((folder / "kept.json").read_text())["points"] == told["points"]


def test_an_interrupted_soak_tells_what_it_has(tiny):
    """Ctrl-C ends the run with what there is by then, and the server with it."""
    command = [sys.executable, "-m", "shortlist.bench.studies.soak", "--embedder", str(tiny.embedder)]
    command += ["--reranker", str(tiny.reranker), "--requests", "20000", "--first", "50", "--json"]
    with subprocess.Popen(
        [*command, "--clients", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert process.returncode == 130
    told = json.loads(out)
    assert told["passed"] is None
    assert told["last"]["requests"] > 0


def test_overhead_is_measured(run, folder):
    """What is beside the model is a part of the latency, and every round has both rates."""
    given = ("--documents", "60", "--seconds", "0.5", "--rounds", "2", "--data", str(folder))
    code, lines, found = run(overhead, *given)
    assert code == 0
    for name in ("embed", "dense"):
        one = found[name]
        assert 0 < one["overhead_ms"] < one["latency_ms"]
        assert one["parts_ms"]["infer"] > 0
    assert len(found["turns"]) == 2
    assert all(turn["bare_per_s"] > 0 and turn["ingest_per_s"] > 0 for turn in found["turns"])
    assert [line.split()[0] for line in lines[-3:]] == ["embed", "dense", "ingest:"]
