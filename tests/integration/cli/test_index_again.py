"""`shortlist index` of files that changed: what they do not hold any more is not found any more."""

import json

import pytest

from shortlist.cli import main
from shortlist.client import Document


@pytest.fixture
def index(server, name, tmp_path, monkeypatch, capsys):
    """Index paths below a folder of the test's own, and return what the command printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        assert main.main(["index", "--collection", name, "--json", "--address", server.address, *arguments]) == 0
        told = capsys.readouterr()
        return json.loads(told.out), told.err

    return run


@pytest.fixture
def write(tmp_path):
    """Write a text of so many passages, or one of JSON lines with these ids."""

    def write_to(path, passages=0, ids=""):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        sections = [f"# Part {number}\n\nText {number}.\n" for number in range(passages)]
        file.write_text("\n".join([*sections, *(json.dumps({"id": each, "text": f"text {each}"}) for each in ids)]))
        return file

    return write_to


@pytest.fixture
def ids(client, name):
    """Return the ids in the collection, sorted."""
    return lambda: sorted(one.id for one in client.list(name))


def test_a_file_replaces_all_that_came_from_it(index, write, ids, client, name):
    """A file of four passages that has one now leaves one; what came from elsewhere stays."""
    write("notes/a.md", passages=4)
    write("notes/b.md", passages=2)
    client.create_collection(name)
    client.upsert(name, [Document("own", "brought by a program")])
    assert index("notes")[0]["inserted"] == 6
    write("notes/a.md", passages=1)
    result, _ = index("notes/a.md")
    assert (result["unchanged"], result["removed"]) == (1, 3)
    assert ids() == ["notes/a.md#1", "notes/b.md#1", "notes/b.md#2", "own"]


def test_json_lines_replace_theirs(index, write, ids):
    """Lines that left a file leave the collection; ids are the lines' own."""
    write("a.jsonl", ids="abcd")
    write("b.jsonl", ids="xy")
    index("a.jsonl", "b.jsonl")
    write("a.jsonl", ids="be")
    result, _ = index("a.jsonl")
    assert (result["inserted"], result["unchanged"], result["removed"]) == (1, 1, 3)
    assert ids() == ["b", "e", "x", "y"]


def test_unchanged_files_change_nothing(index, write, ids):
    """The same files again: nothing is embedded, nothing removed, nothing told."""
    write("notes/a.md", passages=3)
    index("notes")
    result, told = index("notes")
    assert (result["unchanged"], result["inserted"] + result["updated"] + result["removed"], told) == (3, 0, "")


def test_a_line_that_moves_to_another_file(index, write, ids):
    """A document that moves is not embedded again, and leaving its old file does not remove it."""
    write("a.jsonl", ids="ab")
    index("a.jsonl")
    write("a.jsonl", ids="a")
    write("b.jsonl", ids="b")
    result, _ = index("b.jsonl")
    assert (result["unchanged"], result["updated"]) == (1, 0)
    assert index("a.jsonl")[0]["removed"] == 0
    assert ids() == ["a", "b"]


@pytest.mark.parametrize("folder", ["notes", ".", "{}", "notes/"])
def test_files_that_are_gone(index, write, ids, tmp_path, folder):
    """Of a file that is gone the documents are told, and with --sync removed; those outside the folder never."""
    folder = folder.format(tmp_path)
    for path in ("notes/a.md", "notes/deep/b.md", "notes/c.md"):
        write(path, passages=2)
    write("notes-old/d.md", passages=1)
    index("notes", "notes-old")
    (tmp_path / "notes/deep/b.md").unlink()
    result, told = index(folder)
    assert (result["removed"], result["gone"]) == (0, 2)
    assert told == (
        "note: 1 files are not there any more, and 2 documents of theirs are still found; --sync removes them:\n"
        "  notes/deep/b.md\n"
    )
    result, told = index(folder, "--sync")
    assert (result["removed"], result["gone"]) == (2, 0)
    assert "and 2 documents of theirs were removed:\n  notes/deep/b.md\n" in told
    assert ids() == ["notes-old/d.md#1", "notes/a.md#1", "notes/a.md#2", "notes/c.md#1", "notes/c.md#2"]
    assert index(folder, "--sync")[1] == ""


def test_a_file_that_cannot_be_read_is_not_gone(index, write, ids, tmp_path):
    """A file that is skipped keeps its documents, with --sync too; one that is empty now loses them."""
    for path in ("n/a.md", "n/b.md", "n/c.md"):
        write(path, passages=2)
    index("n")
    (tmp_path / "n/a.md").write_bytes(b"caf\xe9")
    (tmp_path / "n/b.md").write_bytes(b"\n")
    result, _ = index("n", "--sync")
    assert (result["skipped"], result["empty"], result["removed"]) == (1, 1, 2)
    assert ids() == ["n/a.md#1", "n/a.md#2", "n/c.md#1", "n/c.md#2"]


def test_a_working_folder_is_not_its_neighbour(index, write, ids, tmp_path, monkeypatch):
    """What came from above the working folder, or from elsewhere, is not gone from below it."""
    for path in ("a.md", "elsewhere/b.md", "sub/c.md"):
        write(path, passages=1)
    monkeypatch.chdir(tmp_path / "sub")
    index("../a.md", f"{tmp_path}/elsewhere", "c.md")
    before = ids()
    (tmp_path / "a.md").unlink()
    result, told = index(".", "--sync")
    assert (result["removed"], told) == (0, "")
    assert ids() == before == ["../a.md#1", f"{tmp_path}/elsewhere/b.md#1", "c.md#1"]
