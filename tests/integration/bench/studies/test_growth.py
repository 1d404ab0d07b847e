"""The measurements of growth and memory on a real server with tiny models."""

import contextlib
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from shortlist.bench import local, texts
from shortlist.bench.studies import filled_collections, growth, lengths, pieces, soak
from shortlist.bench.studies.filled_collections import Source
from shortlist.bench.studies.study import Bundles
from shortlist.console.errors import UsageError
from shortlist.server.storage.documents import Documents

QUICK = (
    *("--warm-up-s", "0", "--window-s", "0.05", "--window-requests", "2", "--agreeing", "1", "--max-windows", "1"),
    *("--passages", "4", "--top-k", "4", "--recall-queries", "5"),
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
        given = ["bench", *models, "--collection-folder", str(folder), *arguments]
        monkeypatch.setattr("sys.argv", given)
        code, printed = module.main(), capsys.readouterr()
        return code, printed.err.splitlines(), json.loads(printed.out)

    return command


@pytest.mark.parametrize("load", ["dense", "search"])
def test_growth_is_measured(run, folder, load):
    """Every size has its levels, with what is known of its collection and server."""
    sizes = ("--load", load, "--sizes", "20,60", "--clients", "1,2", "--data", str(folder))
    code, lines, found = run(growth, *QUICK, *sizes)
    assert code == 0
    assert [(one["documents"], one["level"]["clients"]) for one in found] == [(20, 1), (20, 2), (60, 1), (60, 2)]
    for one in found:
        assert one["level"]["all"]["errors"] == {}
        assert one["level"]["all"]["latency_ms"]["p50"] > 0
        assert 0 < one["level"]["all"]["overhead_ms"]["p50"] < one["level"]["all"]["latency_ms"]["p50"]
        assert 0 <= one["busy_slots"] <= 1  # 0 where a busy machine's samples all fall between two runs
        assert one["rss_mb"] > 10
        assert one["recall_at_50"] == 1  # all are compared
    assert sum(line.startswith("documents 60  recall_at_50 ") for line in lines) == 2


@pytest.mark.parametrize("place", ["first", "mixed", "last"])
def test_all_is_found_among_copies(run, place):
    """However copies and near copies stand among the documents, every query finds what is nearest."""
    sizes = ("--load", "dense", "--sizes", "90", "--clients", "1", "--boilerplate", place, "--lines", "60")
    code, _, (one,) = run(growth, *QUICK, *sizes)
    assert code == 0
    assert (one["recall_at_50"], one["worst_recall"], one["nothing_found"]) == (1.0, 1.0, 0.0)
    assert one["indexed_per_s"] > 0


def test_filling_goes_on(tiny, folder):
    """A collection that was filled in part is filled up, one that is full stays, and others are refused."""
    data, source, seen = folder / "data", Source([folder], folder / "pieces"), []
    bundles = Bundles(embedder=tiny.embedder, reranker=tiny.reranker)

    def filled(documents):
        return filled_collections.fill(data, bundles, source, documents, seen.append).documents

    assert [filled(20), filled(35), filled(35)] == [20, 15, 0]
    assert seen == [20, 35]
    with pytest.raises(UsageError, match="holds 35 documents, but 20 are wanted"):
        filled(20)
    texts = [piece.text for piece in pieces.cut([folder])]
    with contextlib.closing(Documents(filled_collections.documents_of(data))) as rows:
        assert {name: one.text for name, one in rows.get([str(number) for number in range(35)]).items()} == {
            str(number): text for number, text in enumerate(texts[:35])
        }
    with pytest.raises(UsageError, match=rf"the folders hold {len(texts)} pieces, but 1,000 are wanted"):
        filled(1000)


def test_texts_of_a_length_are_written(tiny, folder, monkeypatch, capsys):
    """The command writes as many documents as asked for, in the form that a benchmark reads."""
    corpus = ("--corpus", str(folder / "corpus.jsonl"), "--tokens", "4", "--texts", "30")
    monkeypatch.setattr("sys.argv", ["lengths", "--bundle", str(tiny.reranker), *corpus])
    assert lengths.main() == 0
    (folder / "cut.jsonl").write_text(capsys.readouterr().out)
    assert 1 < len(set(texts.find(corpus=folder / "cut.jsonl").passages)) <= 30


@pytest.mark.parametrize(("allowed", "code"), [("10", 0), ("-0.9", 1)])
def test_a_soak_judges(run, allowed, code):
    """All requests are counted, of every kind, memory is looked at on the way, and the limit decides."""
    ended, lines, told = run(soak, "--requests", "300", "--first", "100", "--allowed-growth", allowed)
    assert ended == code
    assert told["requests"] == 300 == sum(told["kinds"].values())
    assert set(told["kinds"]) == {"embed", "rerank", "dense", "search", "ingest", "delete"}
    assert told["errors"] == {}
    assert [one["requests"] for one in told["samples"]] == list(range(3, 301, 3))
    assert (told["first"]["requests"], told["last"]["requests"]) == (100, 300)
    assert told["growth"] == pytest.approx(told["last"]["rss_mb"] / told["first"]["rss_mb"] - 1, abs=0.01)
    assert lines[-1].endswith("passed" if code == 0 else "failed")


def test_an_interrupted_growth_tells_what_it_has(tiny, folder):
    """Ctrl-C ends the level under way and measures no other; those before it are told."""
    command = [sys.executable, "-m", "shortlist.bench.studies.growth", "--embedder", str(tiny.embedder), *QUICK]
    command += ["--reranker", str(tiny.reranker), "--collection-folder", str(folder), "--load", "dense"]
    command += ["--sizes", "20,30", "--clients", ",".join(map(str, range(1, 200)))]
    with local.Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        next(line for line in process.stderr if line.startswith("documents 20"))  # the first level
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert process.returncode == 130
    assert 1 <= len(json.loads(out)) < 20


def test_an_interrupted_soak_tells_what_it_has(tiny):
    """Ctrl-C ends the run with what there is by then, and the server with it."""
    command = [sys.executable, "-m", "shortlist.bench.studies.soak", "--embedder", str(tiny.embedder)]
    command += ["--reranker", str(tiny.reranker), "--requests", "20000", "--first", "50"]
    with local.Process(
        [*command, "--clients", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert process.returncode == 130
    told = json.loads(out)
    assert told["passed"] is None
    assert told["last"]["requests"] > 0
