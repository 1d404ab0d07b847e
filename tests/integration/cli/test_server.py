"""The commands as processes of their own, against a real server."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from shortlist.bench import local
from shortlist.client import Client
from shortlist.console.output import counted

_SHORTLIST = [sys.executable, "-m", "shortlist.cli.main"]
_CITIES = {"paris": "France", "berlin": "Germany", "rome": "Italy"}


@pytest.fixture
def run(server):
    """Run a command against the server, and return how it ended."""

    def shortlist(command, *arguments, given=None):
        return subprocess.run(
            [*_SHORTLIST, command, "--address", server.address, *arguments],
            # readline, which pytest imports, sets a COLUMNS that only processes without this would see.
            env={**os.environ, "COLUMNS": "120"},
            input=given,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return shortlist


@pytest.fixture
def collection(server, request):
    """Name a collection for one test, and drop it afterwards if the test made it."""
    name = request.node.name.replace("test_", "")[:60].replace("_", "-")
    yield name
    with Client(server.address) as client:
        if name in {one.name for one in client.list_collections()}:
            client.drop_collection(name)


@pytest.fixture
def cities(tmp_path):
    """Write three documents as JSON lines, and return the file's path."""
    path = tmp_path / "cities.jsonl"
    lines = [{"_id": name, "text": f"{name} is the capital of {land}"} for name, land in _CITIES.items()]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def test_index_then_search(run, collection, cities):
    """What was indexed is found; the second time nothing is embedded."""
    first = run("index", "--collection", collection, "--json", cities)
    again = run("index", "--collection", collection, "--json", cities)
    found = run("search", "--collection", collection, "--json", "--top-k", "2", "the capital of Italy")
    assert [first.returncode, again.returncode, found.returncode] == [0, 0, 0]
    assert (json.loads(first.stdout)["inserted"], json.loads(again.stdout)["unchanged"]) == (3, 3)
    hits = json.loads(found.stdout)["hits"]
    assert len(hits) == 2
    assert {hit["id"] for hit in hits} < set(_CITIES)


def test_search_prints_a_table(run, collection, cities):
    """Each hit is a line with its place and one with its text, and the last line tells the mode and the time."""
    run("index", "--collection", collection, cities)
    lines = run("search", "--collection", collection, "the capital of Italy").stdout.splitlines()
    heads = ["place", "relevance", "score", "similarity", "stage", "one", "dense", "lexical", "id"]
    assert lines[0].split() == heads
    assert [line.split()[0] for line in lines[1:7:2]] == ["1", "2", "3"]
    named = [(line.split()[-1], below) for line, below in itertools.pairwise(lines[1:7])][::2]
    assert {(name, f"       {name} is the capital of {land}") for name, land in _CITIES.items()} == set(named)
    assert lines[-1].startswith("rerank-all: 3 of 3 hybrid candidates reranked; ")


def test_search_says_what_decided_the_order(run, collection, cities):
    """With a weight of the similarity the output says so, and by whom it was set; without, nothing needs saying."""
    run("index", "--collection", collection, cities)
    asked = ("search", "--collection", collection, "the capital of Italy")
    assert (
        "relevance, by which hits fall, is of score and similarity together (weight 2.5, as asked for)"
        in run(*asked, "--similarity-weight=2.5").stdout
    )
    assert "by which hits fall" not in run(*asked, "--similarity-weight=0").stdout
    assert "in the order of similarity: mode dense" in run(*asked, "--mode=dense").stdout


def test_search_shows_whole_texts(run, collection, tmp_path):
    """A long text is shown as far as it answers, and whole with --full."""
    text = "The weather was fine. " * 40 + "Rome is the capital of Italy. " + "It rained later. " * 40
    (tmp_path / "long.jsonl").write_text(json.dumps({"id": "long", "text": text}))
    run("index", "--collection", collection, str(tmp_path / "long.jsonl"))
    asked = ("search", "--collection", collection, "capital of Italy")
    brief, full = (run(*asked, *more).stdout for more in ((), ("--full",)))
    assert "       ... Rome is the capital of Italy. It rained later." in brief
    assert len(brief) < 700
    assert text.strip() in " ".join(full.split())
    assert "\x1b" not in brief + full


def test_index_a_folder_of_notes(run, collection, tmp_path):
    """Text files below a folder become passages that are found by their file's path."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "travel.md").write_text("# Travel\n\nParis is in France.\n")
    indexed = run("index", "--collection", collection, str(tmp_path / "notes"))
    assert (indexed.returncode, indexed.stdout.partition(" in ")[0]) == (0, f"{collection}: 1 passage")
    (hit,) = json.loads(run("search", "--collection", collection, "--json", "Paris").stdout)["hits"]
    assert (hit["id"], hit["title"]) == (f"{tmp_path}/notes/travel.md#1", "Travel")


def test_index_cuts_by_the_models_tokens(run, server, collection, tmp_path):
    """No passage is longer than either model's window, with a short query beside it for the reranker."""
    rows = "\n".join(
        f"| `--setting-{number}` | {number}.0e-{number} | \u00e9\u4e2d{number} |" for number in range(30)
    )
    text = f"# S\n\n## All\n\n| name | value | x |\n|---|---|---|\n{rows}\n\n{'word ' * 300}"
    (tmp_path / "settings.md").write_text(text)
    result = json.loads(run("index", "--collection", collection, "--json", str(tmp_path)).stdout)
    assert result["truncated"] == 0
    with Client(server.address) as client:
        documents = list(client.list(collection))
        contents = [f"{one.title} {one.text}" for one in documents]
        assert not any(one.truncated for one in client.tokenize(contents))
        paired = client.tokenize(contents, model="reranker", query="which")
        assert not any(one.truncated for one in paired)
        # They are as long as the windows allow, not short for safety's sake.
        assert max(len(one.ids) for one in paired) > 0.6 * client.describe().reranker.max_tokens
    assert len(documents) == result["documents"] > 10
    assert {one.title for one in documents} == {"S > All"}


def test_index_continues_after_an_interruption(run, server, collection, tmp_path):
    """Ctrl-C loses nothing that was acknowledged, and the same command does the rest."""
    # More than are sent without an answer, and far more than a pipe holds: once all are written, some were answered.
    lines = [
        json.dumps({"id": str(n), "text": f"text {n}", "metadata": {"pad": "x" * 4096}}) + "\n" for n in range(1200)
    ]
    command = [
        *_SHORTLIST,
        "index",
        "--address",
        server.address,
        "--collection",
        collection,
        "-",
    ]
    with local.Process(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdin.writelines(lines)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == 130
    stopped = int(re.search(r"stopped after ([\d,]+) documents, which are indexed", told)[1].replace(",", ""))
    (tmp_path / "all.jsonl").write_text("".join(lines))
    rest = json.loads(run("index", "--collection", collection, "--json", str(tmp_path / "all.jsonl")).stdout)
    assert 0 < stopped <= rest["unchanged"]
    assert rest["inserted"] + rest["unchanged"] == 1200


def test_rerank_takes_texts_or_a_pipe(run):
    """Texts from standard input are scored as those from the command line are, best first."""
    piped = run("rerank", "--json", "capital of Italy", given="paris\n\nrome\n")
    named = run("rerank", "--json", "capital of Italy", "paris", "rome")
    results = json.loads(piped.stdout)["results"]
    assert results == json.loads(named.stdout)["results"]
    assert {one["text"] for one in results} == {"paris", "rome"}
    assert results[0]["score"] >= results[1]["score"]
    assert run("rerank", "capital", "a", "b", "--top-k=1").stdout.splitlines()[1].split()[0] == "1"


def test_rerank_takes_more_than_a_call(run, server):
    """1,500 lines are scored in several calls, with the scores that each has in a call of its own."""
    lines = [f"{tuple(_CITIES)[number % 3]} {number % 11} is {number}" for number in range(1500)]
    ended = run("rerank", "--json", "capital of Italy", given="\r\n".join(lines))
    assert (ended.returncode, ended.stderr) == (0, "")
    found = json.loads(ended.stdout)
    assert (found["reranked"], found["degraded"]) == (1500, None)
    assert [one["text"] for one in sorted(found["results"], key=lambda one: one["index"])] == lines
    scores = [one["score"] for one in found["results"]]
    assert scores == sorted(scores, reverse=True)
    with Client(server.address) as client:
        for place in (0, 700, 1499):
            one = found["results"][place]
            assert client.rerank("capital of Italy", [one["text"]]).results[0].score == one["score"]


def test_describe(run, collection, cities):
    """Models, limits and collections are shown, for people and for scripts."""
    run("index", "--collection", collection, cities)
    overview = json.loads(run("describe", "--json").stdout)
    assert (collection, 3) in {(one["name"], one["documents"]) for one in overview["collections"]}
    shown = run("describe").stdout
    assert f"embedder: {overview['server']['embedder']['source']}" in shown
    slots, threads = overview["server"]["slots"], overview["server"]["threads"]
    assert f"\n  {counted(slots, 'slot')} of {counted(threads, 'thread')}\n" in shown
    assert "  order of a search: by score, unless it sets --similarity-weight\n" in shown
    assert f"\n{collection} " in shown


def test_a_refusal_is_one_line(run):
    """What the server says is printed as it is, and the exit code is 1."""
    result = run("search", "--collection", "no-such-collection", "query")
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("shortlist search: ")
    assert "no-such-collection" in line
