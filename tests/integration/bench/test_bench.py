"""`shortlist bench` on a real server: every load, both loops, the plot, and Ctrl-C."""

import json
import signal
import struct
import subprocess
import sys

import pytest

from shortlist.bench import local
from shortlist.cli.main import main
from shortlist.client import Client, Document

# As short as a window can be and still hold answers of the tiny models.
WINDOW = ("--window-s", "0.05", "--window-requests", "5")
QUICK = (
    *("--warm-up-s", "0", "--agreeing", "1", "--max-windows", "1"),
    *("--passages", "8", "--top-k", "4", "--batch", "4", "--documents", "40"),
)
PARTS = {"server", "client", "queue", "tokenize", "infer"}


@pytest.fixture
def bench(server, capsys):
    """Run the command, and return its exit code, the lines of its table and notes, and the JSON."""

    def run(*arguments, window=WINDOW):
        code = main(("bench", "--address", server.address, *QUICK, *window, "--json", *arguments))
        printed = capsys.readouterr()
        lines = [line for line in printed.err.splitlines() if not line.startswith("indexed ")]
        return code, lines, json.loads(printed.out)

    return run


def names(server):
    """Return the names of a server's collections."""
    with Client(server.address) as client:
        return {one.name for one in client.list_collections()}


@pytest.mark.parametrize(
    ("load", "items", "parts"),
    [
        ("rerank", 8, set()),
        ("embed", 1, set()),
        ("dense", 1, {"retrieve"}),
        ("search", 8, {"retrieve"}),
        ("ingest", 4, {"write"}),
    ],
)
def test_every_load(bench, server, load, items, parts):
    """Each load is answered without errors, counts what it had computed, and tells where the time went."""
    before = names(server)
    code, lines, outcome = bench("--load", load, "--clients", "2")
    assert code == 0
    (level,) = outcome["levels"]
    figures = level["all"]
    assert figures["requests"] == figures["ok"] >= 1
    assert (figures["errors"], figures["degraded"], outcome["interrupted"]) == ({}, 0, False)
    assert figures["items_per_s"] == pytest.approx(items * figures["requests_per_s"], rel=1e-3)
    assert set(figures["parts_ms"]) == PARTS | parts
    # What the server says and what is left over are all of it, but for the rounding of each to three places.
    spent_ms = sum(part["mean"] for part in figures["parts_ms"].values())
    assert spent_ms == pytest.approx(figures["latency_ms"]["mean"], abs=0.5)
    assert figures["parts_ms"]["infer"]["mean"] > 0
    assert lines[-1].split()[0] in {"2", "note:"}
    recall = outcome["server"]["recall"]
    if load in {"dense", "search"}:
        assert (recall["state"], recall["measured"], recall["beam"]) == ("exact", 1.0, 0)
        assert lines[-1] == "note: recall@50: 1, since every search compared all vectors"
    else:
        assert recall is None
    assert names(server) == before


def test_json_only_if_asked_for(server, capsys):
    """Without --json there is a table and nothing that only a script would read."""
    assert main(("bench", "--address", server.address, *QUICK, *WINDOW, "--load", "embed", "--clients", "1")) == 0
    printed = capsys.readouterr()
    title, _, _, _, heads, level, *others = printed.out.splitlines()
    assert (title, heads.split()[0], level.split()[0]) == ("embed of 1 query text", "clients", "1")
    assert all(line.startswith("note: ") for line in others)


def test_a_mixed_load_tells_kinds_apart(bench):
    """Every kind has its share of the requests, and a line of its own in the table."""
    _, lines, outcome = bench("--load", "mixed", "--mix", "search=2,ingest=1", window=("--window-s", "0.05"))
    level = outcome["levels"][-1]
    assert list(level["kinds"]) == ["search", "ingest"]
    assert sum(one["requests"] for one in level["kinds"].values()) == level["all"]["requests"]
    # A share holds over every three requests, of which a window's ends cut off some.
    assert level["kinds"]["search"]["requests"] == pytest.approx(2 * level["kinds"]["ingest"]["requests"], abs=9)
    heads = lines[4].split()
    assert heads[:4] == ["clients", "kind", "requests/s", "items/s"]
    assert [line.split()[0] for line in lines[5:8]] == ["1", "search", "ingest"]
    assert [one["clients"] for one in outcome["levels"]] == [1, 2, 4, 8]


def test_an_open_loop_with_a_deadline(bench):
    """Rates are levels, requests come by the clock, and the share that is in time is told."""
    _, lines, outcome = bench("--load", "embed", "--rates", "50,100", "--deadline-ms", "5000")
    assert outcome["loop"] == "open"
    assert [(one["clients"], one["rate"]) for one in outcome["levels"]] == [(None, 50.0), (None, 100.0)]
    assert all(one["all"]["in_time"] == 1.0 for one in outcome["levels"])
    assert all(one["all"]["late_ms"]["max"] >= 0 for one in outcome["levels"])
    assert {"late", "in", "time"} <= set(lines[4].split())


def test_a_deadline_that_nothing_meets(bench):
    """Requests that the server refuses or cuts short are counted by status, or as degraded, and noted."""
    _, lines, outcome = bench("--deadline-ms", "0.5", "--clients", "1", window=("--window-s", "0.3"))
    figures = outcome["levels"][0]["all"]
    assert figures["errors"].keys() <= {"DEADLINE_EXCEEDED"}
    assert sum(figures["errors"].values()) + figures["ok"] == figures["requests"] > 0
    assert figures["in_time"] < 1
    assert any("DEADLINE_EXCEEDED of" in line for line in lines)


def test_a_collection_of_ones_own(bench, server, client, name):
    """A collection that is named is searched and left as it was, an ingest beside it goes elsewhere."""
    client.create_collection(name)
    client.upsert(name, [Document(str(number), f"text {number}") for number in range(20)])
    _, _, outcome = bench("--load", "mixed", "--mix", "dense=1,ingest=1", "--clients", "1", "--collection", name)
    assert outcome["server"]["documents"] == 20
    (found,) = (one for one in client.list_collections() if one.name == name)
    assert found.documents == 20
    assert not any(one.startswith("bench-") for one in names(server))


def test_the_plot_is_a_png(bench, tmp_path):
    """A plot of the levels is written, as large as it is meant to be."""
    path = tmp_path / "plot.png"
    bench("--clients", "1,2", "--plot", str(path))
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (1200, 750)


def test_candidates_are_sent(bench, tmp_path):
    """Queries go with passages of their own lists, and the result tells where they come from."""
    hits = [{"content": f"passage {n}"} for n in range(9)]
    path = tmp_path / "lists.json"
    path.write_text(json.dumps([{"query": f"query {n}", "hits": hits} for n in range(3)]))
    _, _, outcome = bench("--candidates", str(path), "--clients", "1")
    assert outcome["texts"]["source"] == str(path)
    assert outcome["texts"]["available"] == {"queries": 3, "passages": 9}
    assert outcome["texts"]["drawn"]["lists"] > 0


def test_a_server_of_its_own(tiny, capsys):
    """With two bundles a server is started with the options given, and it is gone at the end."""
    bundles = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    served = ("--serve-options", "slots=1,reranker_variant=fp32")
    assert main(("bench", *QUICK, *WINDOW, *bundles, *served, "--clients", "1", "--json")) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["server"]["slots"] == 1
    assert main(("describe", "--address", outcome["server"]["address"], "--timeout-s", "2")) == 1


def test_a_server_that_does_not_start(tiny, capfd):
    """What keeps the server from starting is told, by it and in one line of the command's own."""
    assert main(("bench", "--embedder", str(tiny.embedder), "--reranker", "nowhere")) == 2
    told = capfd.readouterr().err.splitlines()
    assert told[-1].startswith("shortlist bench: the server ended with exit code 2")
    assert "nowhere" in told[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--load", "dense", "--collection", "not-there"), "collection 'not-there' is not on the server"),
        (
            ("--load", "embed", "--texts", "1000", "--text-kind", "document", "--timeout-s", "0.001"),
            "timeout_s=0.001",
        ),
    ],
)
def test_what_the_server_has_not(server, arguments, told, capsys):
    """What cannot be measured on this server ends the command with one line, before any level."""
    assert main(("bench", "--address", server.address, *arguments)) in {1, 2}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err


def test_an_interrupted_benchmark_shows_what_it_has(server):
    """Ctrl-C ends the level under way: what there is is shown, and the collection that was made is dropped."""
    levels = ",".join(["1"] * 500)
    command = [sys.executable, "-m", "shortlist.cli.main", "bench", "--address", server.address, *QUICK, *WINDOW]
    command += ["--load", "dense", "--clients", levels, "--json"]
    with local.Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(6):  # title, heads, and the first level
            process.stderr.readline()
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
    assert process.returncode == 130
    outcome = json.loads(printed)
    assert outcome["interrupted"]
    assert 1 <= len(outcome["levels"]) < 500
    assert not any(one.startswith("bench-") for one in names(server))
