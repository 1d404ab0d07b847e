"""`shortlist collections`, `get` and `delete` against a real server."""

import io
import json
import sys

import pytest

from shortlist.cli import main
from shortlist.client import Document


class Terminal(io.TextIOWrapper):
    """A file that says it is a terminal."""

    def __init__(self, file):
        super().__init__(file.buffer)

    def isatty(self):
        return True


@pytest.fixture
def run(server, capsys, monkeypatch, tmp_path):
    """Run a command against the server with something on standard input; return exit code, output and errors."""

    def shortlist(command, *arguments, given="", terminal=False):
        (tmp_path / "stdin").write_bytes(given.encode())
        with (tmp_path / "stdin").open() as stdin:
            monkeypatch.setattr(sys, "stdin", Terminal(stdin) if terminal else stdin)
            code = main.main([command, *arguments, "--address", server.address])
        told = capsys.readouterr()
        return code, told.out, told.err

    return shortlist


@pytest.fixture
def filled(client, name):
    """Make a collection of three documents."""
    client.create_collection(name)
    client.upsert(name, [Document(f"note #{each}", f"text {each}", "A title", {"n": each}) for each in range(3)])
    yield name
    if name in {one.name for one in client.list_collections()}:
        client.drop_collection(name)


def test_collections_are_listed(run, filled):
    """The list has each collection with its documents, for people and for scripts, and needs no word to ask for."""
    for words in ((), ("list",)):
        code, told, _ = run("collections", *words)
        assert code == 0
        assert [filled, "3"] in [line.split()[:2] for line in told.splitlines()]
    listed = json.loads(run("collections", "--json")[1])["collections"]
    assert (filled, 3) in {(one["name"], one["documents"]) for one in listed}


def test_collections_are_created_and_dropped(run, client, name):
    """Several at once; one that is there already is an error unless that is allowed."""
    names = f"{name}-a", f"{name}-b"
    assert run("collections", "create", *names)[0] == 0
    assert {one.name for one in client.list_collections()} >= set(names)
    code, _, error = run("collections", "create", names[0])
    assert (code, "is there already" in error) == (1, True)
    assert run("collections", "create", "--exist-ok", names[0])[0] == 0
    code, told, _ = run("collections", "drop", "--yes", "--json", *names)
    assert (code, json.loads(told)) == (0, {"dropped": dict.fromkeys(names, 0)})
    assert {one.name for one in client.list_collections()} & set(names) == set()


@pytest.mark.parametrize(
    ("answer", "stays"), [("y\n", False), ("YES\n", False), ("\n", True), ("n\n", True), ("", True)]
)
def test_drop_asks_at_a_terminal(run, client, filled, answer, stays):
    """A person is asked, with the number of documents; anything but yes drops nothing, and says so."""
    code, told, error = run("collections", "drop", filled, given=answer, terminal=True)
    assert error.startswith(f"Drop {filled} with 3 documents, for good? [y/N] ")
    assert (code, "nothing was dropped" in error, told == "") == (int(stays), stays, stays)
    assert (filled in {one.name for one in client.list_collections()}) == stays


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("drop", "{}"), "drop deletes collections for good and asks first, at a terminal; elsewhere give --yes"),
        (("drop", "--yes", "{}", "nope"), "no collection 'nope'; there are "),
        (("drop",), "drop needs the name of a collection: shortlist collections drop NAME"),
        (("create",), "create needs the name of a collection"),
        (("list", "{}"), "list shows all collections; leave the names out"),
        (("erase", "{}"), 'Invalid value "erase" for ACTION. Choose from: "list", "create", "drop".'),
    ],
)
def test_what_drops_nothing(run, client, filled, words, message):
    """Without an answer, with a name that is not there, or misspelt, nothing is dropped, and exit code 2 says so."""
    code, _, error = run("collections", *(word.format(filled) for word in words))
    assert code == 2
    assert error.startswith(f"shortlist collections: {message}")
    assert filled in {one.name for one in client.list_collections()}


def test_documents_are_shown(run, filled):
    """A document is printed whole: id, title, metadata, text."""
    code, told, _ = run("get", "--collection", filled, "note #2", "note #0")
    assert code == 0
    assert told.split("\n\n")[0] == "note #2\n  A title\n  n: 2"
    assert [line for line in told.splitlines() if line.startswith("note")] == ["note #2", "note #0"]
    assert "\n  text 2\n" in told


def test_a_terminal_is_safe(run, client, filled):
    """What a text holds moves no cursor; what only joins letters stays."""
    client.upsert(filled, [Document("wild", "red \x1b[31m\ttab\n\nnim\u200cfasele")])
    assert run("get", "--collection", filled, "wild")[1] == "wild\n  red \ufffd[31m\ttab\n\n  nim\u200cfasele\n\n"


def test_documents_come_as_lines_that_index_reads(run, server, client, filled, tmp_path):
    """What `get --json` prints, `index` takes: the same document in every field but its source."""
    (tmp_path / "saved.jsonl").write_text(run("get", "--collection", filled, "--json", "note #1", "note #2")[1])
    client.delete(filled, ["note #1", "note #2"])
    assert run("index", "--collection", filled, str(tmp_path / "saved.jsonl"))[0] == 0
    expected = Document("note #1", "text 1", "A title", {"n": 1}, source=str(tmp_path / "saved.jsonl"))
    assert client.get(filled, ["note #1"]) == (expected,)


def test_vectors_come_and_go_as_lines(run, client, filled, tmp_path):
    """With --vectors the lines hold what the model made, and `index` sends it back instead of embedding."""
    code, told, _ = run("get", "--collection", filled, "--json", "--vectors", "--skip-missing", "note #1", "nope")
    assert code == 0
    record = json.loads(told)
    (got,) = client.get(filled, ["note #1"], include_vectors=True)
    assert tuple(record["vector"]) == got.vector
    record["id"], record["vector"] = "copy", [-one for one in got.vector]
    (tmp_path / "copy.jsonl").write_text(json.dumps(record))
    assert run("index", "--collection", filled, str(tmp_path / "copy.jsonl"))[0] == 0
    (copy,) = client.get(filled, ["copy"], include_vectors=True)
    assert copy.vector == tuple(-one for one in got.vector)
    assert run("get", "--collection", filled, "--vectors", "copy")[0] == 2


def test_metadata_is_set(run, client, filled):
    """`update` replaces the metadata of several documents, of none if one is not there, and takes objects only."""
    arguments = ("update", "--collection", filled, "--metadata", '{"year": 2020}')
    code, _, error = run(*arguments, "note #1", "nope")
    assert (code, "'nope'" in error) == (1, True)
    assert run(*arguments, given="note #1\nnote #2\n")[:2] == (0, f"{filled}: 2 updated\n")
    assert [one.metadata for one in client.get(filled, ["note #0", "note #1"])] == [{"n": 0}, {"year": 2020}]
    for wrong in ("[]", "{"):
        assert run("update", "--collection", filled, "--metadata", wrong, "note #0")[0] == 2


def test_an_id_that_is_not_there(run, filled):
    """`get` says which, with exit code 1; `delete` counts it."""
    code, told, error = run("get", "--collection", filled, "note #1", "nope")
    assert (code, told) == (1, "")
    assert "'nope'" in error
    assert run("delete", "--collection", filled, "note #1", "nope")[:2] == (
        0,
        f"{filled}: 1 deleted; 1 of the ids were not there\n",
    )


def test_ids_come_from_standard_input(run, client, filled):
    """Ids are the lines of standard input where none is given, however lines end, each once, more than one call's."""
    more = "".join(f"no {number}\n" for number in range(1500))
    code, told, _ = run(
        "delete", "--collection", filled, "--json", given=f"\ufeffnote #0\r\n\r\nnote #1\r\nnote #0\r\n{more}"
    )
    assert (code, json.loads(told)) == (0, {"collection": filled, "deleted": 2, "missing": 1500})
    assert [one.id for one in client.list(filled)] == ["note #2"]


@pytest.mark.parametrize("command", ["get", "delete"])
def test_no_ids(run, filled, command):
    """Nothing on standard input is an error, not a success with nothing done."""
    code, _, error = run(command, "--collection", filled, given="\n")
    assert (code, error) == (
        2,
        f"shortlist {command}: no id was given; give some as arguments, or as lines of standard input\n",
    )


def test_documents_that_are_too_many_for_one_answer(run, client, filled):
    """What does not fit one answer comes in several."""
    large = [Document(f"large {number}", f"{number} word" + "." * 1_000_000) for number in range(70)]
    for start in range(0, len(large), 35):
        client.upsert(filled, large[start : start + 35])
    code, told, _ = run("get", "--collection", filled, "--json", *(one.id for one in large))
    assert code == 0
    assert [json.loads(line)["id"] for line in told.splitlines()] == [one.id for one in large]


def test_a_filter_stands_for_ids(run, client, filled):
    """Documents that match are printed, counted and deleted; ids beside a filter, and a wrong one, are refused."""
    code, told, _ = run("get", "--collection", filled, "--where", "n >= 1", "--json")
    assert (code, told) == run("get", "--collection", filled, "note #1", "note #2", "--json")[:2]
    assert [json.loads(line)["id"] for line in told.splitlines()] == ["note #1", "note #2"]
    code, _, errors = run("get", "--collection", filled, "--where", "n >= 1", "--json", "--vectors")
    assert (code, "--vectors come by ids" in errors) == (2, True)
    assert run("count", "--collection", filled)[:2] == (0, "3\n")
    assert run("count", "--collection", filled, "--where", "n in (0, 2)")[:2] == (0, "2\n")
    code, _, errors = run("delete", "note #1", "--collection", filled, "--where", "n = 1")
    assert (code, errors) == (2, "shortlist delete: where is 'n = 1', but there are ids as well; give either\n")
    code, _, errors = run("delete", "--collection", filled, "--where", "n => 1")
    assert code == 2
    assert errors.startswith(
        'shortlist delete: where: character 4: there is "> 1", but a field or a value is expected'
    )
    code, _, errors = run("count", "--collection", filled, "--where", "m = 1")
    assert (code, "where.condition.path: got 'm', but no document of" in errors) == (1, True)
    code, told, _ = run("delete", "--collection", filled, "--where", "not n = 1")
    assert (code, told) == (0, f"{filled}: 2 deleted\n")
    assert [one.id for one in client.list(filled)] == ["note #1"]


def test_a_search_with_a_filter(run, filled):
    """Only what matches is found, and the lines below the hits say how many documents did."""
    code, told, _ = run("search", "text", "--collection", filled, "--where", "n < 2")
    assert code == 0
    assert "the filter matches 2 documents; all were compared" in told
    assert "note #2" not in told
