"""Documents out of files: which files are read, and the ids and sources that their documents get."""

import os

import pytest

from read_files import documents, refusal, sourced, whole
from shortlist.client.types import Document
from shortlist.reading import sources
from shortlist.reading.reader import Reader
from shortlist.reading.sources import Selection


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz", "A.JSONL", "A.JSON.GZ"])
def test_names_of_json_lines(write, name):
    """The endings that mean JSON lines, packed or not."""
    assert documents(write(name, {"id": "a", "text": "A"})) == [Document("a", "A")]


@pytest.mark.parametrize("given", ["a/README.md", "./a//README.md", "a/../a/README.md", "{}/a/README.md", "a", "./"])
def test_one_file_has_one_id(write, tmp_path, monkeypatch, given):
    """However a path is written, alone or as a folder, it makes the same ids, and files of one name differ."""
    write("a/README.md", b"A")
    monkeypatch.chdir(tmp_path)
    assert [document.id for document in documents(given.format(tmp_path))] == ["a/README.md#1"]
    write("b/README.md", b"B")
    assert [document.id for document in documents("b")] == ["b/README.md#1"]


def test_a_long_path_is_shortened(write, tmp_path, monkeypatch):
    """Ids stay within 512 bytes, keep the path's end, and differ where only its beginning does."""
    monkeypatch.chdir(tmp_path)
    folders = "é" * 100, "é" * 100, "é" * 100
    for first in "ab":
        write("/".join((first, *folders, "notes.md")), b"N")
    (one,), (other,) = documents("a"), documents("b")
    assert one.id.endswith(f"{'é' * 100}/notes.md#1")
    assert len(one.id.encode()) <= 512
    assert one.id != other.id


def test_folders_are_searched(write, tmp_path, monkeypatch):
    """A folder gives all files of known kinds below it, in order; ids hold the path; hidden ones are left out."""
    monkeypatch.chdir(tmp_path)
    write("notes/b.txt", b"B")
    write("notes/a/c.md", b"C")
    write("notes/.git/d.txt", b"D")
    write("notes/e.pdf", b"E")
    assert [document.id for document in documents("notes")] == ["notes/a/c.md#1", "notes/b.txt#1"]


def test_a_line_comes_from_its_file(write, tmp_path, monkeypatch):
    """The source of a line is the file that holds it, whatever it says itself, by its path as it was given."""
    monkeypatch.chdir(tmp_path)
    write("notes/a.jsonl", {"id": "a", "text": "A", "source": "elsewhere"})
    for given in ("notes", "./notes/a.jsonl", f"{tmp_path}/notes"):
        reader = Reader(1 << 20)
        assert [one.source for one in sourced(given, reader=reader)] == ["notes/a.jsonl"]
        assert reader.ignored == set()


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.markdown", "a.md.gz", "A.MD", "A.TXT.GZ"])
def test_names_of_texts(write, tmp_path, monkeypatch, name):
    """The endings that mean text, packed or not, in capitals or not, and which of them is Markdown."""
    monkeypatch.chdir(tmp_path)
    path = write(name, b"Text.")
    assert documents(path) == [Document(f"{name}#1", "Text.")]
    (found,) = sources.find([path]).files
    assert found.is_markdown == ("txt" not in name.lower())


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, ["a.md", "b/c.txt", "b/d.jsonl", "node_modules/e.md"]),
        ({"include": ("*.rst",)}, ["b/f.rst"]),
        ({"include": ("*.rst", "b/*.jsonl")}, ["b/d.jsonl", "b/f.rst"]),
        ({"exclude": ("node_modules", "*.jsonl")}, ["a.md", "b/c.txt"]),
        ({"exclude": ("b/*",)}, ["a.md", "node_modules/e.md"]),
        ({"include": ("*.md",), "exclude": ("a.*",)}, ["node_modules/e.md"]),
    ],
)
def test_which_files_are_read(write, tmp_path, selection, expected):
    """Patterns are for names and for paths below the folder; hidden files stay out, whatever is included."""
    for name in ("a.md", "b/c.txt", "b/f.rst", "node_modules/e.md", ".hidden.md", ".hidden/g.md"):
        write(name, b"Text.")
    write("b/d.jsonl", {"id": "d", "text": "D"})
    files = sources.find([str(tmp_path)], Selection(**selection)).files
    assert [os.path.relpath(one.path, tmp_path) for one in files] == expected


def test_a_named_file_of_another_kind(write):
    """A file of any name is read as text if a pattern takes it, and refused with that advice if none does."""
    path = write("a.rst", b"Text.")
    assert refusal(path).endswith(", each also with .gz; --include '*.rst' reads it as text")
    assert [one.text for one in documents(path, include=("*.rst",))] == ["Text."]


def test_files_of_other_kinds_are_counted(write, tmp_path):
    """What a folder has beside the known kinds is counted by its ending."""
    for name in ("a.md", "b.py", "c.py", "d.pdf", "Makefile", ".hidden"):
        write(name, b"x")
    assert sources.find([str(tmp_path)]).other_kinds == {".py": 2, ".pdf": 1, "Makefile": 1}


def test_a_file_is_read_once(write, tmp_path):
    """A file that is named, and is in a folder that is named, is one file."""
    path = write("a.md", b"A")
    assert len(documents(path, str(tmp_path), path)) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("package.json", b'{\n  "name": "x"\n}', ":1: line: got '{', but it is not JSON"),
        ("data.json", b'{"name": "x", "version": 1}', ":1: line: got ['name', 'version'], but it has no 'id'"),
        ("list.json", b"[1, 2]", ":1: line: got '[1, 2]', but it is not a JSON object"),
        ("latin.txt", b"caf\xe9", ": line: got b'\\xe9', but byte 3 is not UTF-8"),
        ("broken.md.gz", b"no gzip", ": cannot be read: Not a gzipped file"),
    ],
)
def test_a_file_of_a_folder_that_is_not_for_it(write, tmp_path, name, content, reason):
    """One file of a folder that holds no documents is left out and named with the reason; named itself, it stops."""
    write("a.md", b"A")
    path = tmp_path / name
    path.write_bytes(content)
    reader = Reader(1 << 20, whole)
    assert [one.text for one in documents(str(tmp_path), reader=reader)] == ["A"]
    assert list(reader.skipped) == [str(path)]
    assert reader.skipped[str(path)].startswith(f"{path}{reason}")
    assert reader.ignored == set()
    assert refusal(str(path)) == reader.skipped[str(path)]


def test_files_that_hold_no_document(write, tmp_path):
    """An empty file, and one of blank lines, are named."""
    reader = Reader(1 << 20, whole)
    empty = write("a.md", b""), write("b.jsonl", b"", b"  "), write("c.txt", b" \n")
    write("d.md", b"D")
    assert [one.text for one in documents(str(tmp_path), reader=reader)] == ["D"]
    assert sorted(reader.empty) == sorted(empty)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"", "is no .jsonl, .ndjson, .json, .txt, .md, .markdown, each also with .gz; --include"),
        ("a.jsonl.gz", None, "cannot be read: Not a gzipped file (b'{}')"),
        ("a.txt", b"\xff", "line: got b'\\xff', but byte 0 is not UTF-8; convert the file to UTF-8"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    """A file that is not what its name says is refused by name."""
    path = tmp_path / name
    path.write_bytes(b"{}" if content is None else content)
    assert refusal(str(path)).startswith(f"{path}: {message}")


def test_a_packed_file_that_is_cut_off(write):
    """A gzip file that ends too early is refused, not read as far as it goes."""
    path = write("a.jsonl.gz", {"id": "a", "text": "A" * 1000})
    os.truncate(path, 30)
    assert f"{path}: cannot be read: " in refusal(path)


def test_paths_with_nothing_in_them(tmp_path):
    """A path that is not there, and a folder without a file to read, are refused."""
    assert refusal("/nowhere.jsonl") == "/nowhere.jsonl: no such file or folder"
    assert refusal(str(tmp_path)).startswith(f"{tmp_path}: no file in this folder ends in .jsonl")
