"""Documents out of files."""

import gzip
import json
import os
from dataclasses import replace

import pytest

from shortlist.client.types import Document
from shortlist.reading import sources
from shortlist.reading.reader import Reader
from shortlist.reading.sources import InputError, Selection


@pytest.fixture
def write(tmp_path):
    """Write a file, of lines of JSON where objects are given, and return its path."""

    def write_to(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
        return str(path)

    return write_to


def whole(files):
    """Cut each text file into one passage, or none if it is blank."""
    for source, text in files:
        yield source, [Document(f"{source.id_stem}#1", text.strip())] if text.strip() else []


def documents(*paths, reader=None, **selection):
    """Read all documents of some paths, without what says where they came from."""
    return [replace(one, source="") for one in sourced(*paths, reader=reader, **selection)]


def sourced(*paths, reader=None, **selection):
    """Read all documents of some paths."""
    reader = reader or Reader(1 << 20, whole)
    return [document for document, _ in reader.documents(sources.find(paths, Selection(**selection)).files)]


def refusal(*paths):
    """Return the message that some paths are refused with."""
    with pytest.raises(InputError) as caught:
        documents(*paths)
    return str(caught.value)


def test_json_lines(write):
    """Each line is a document; `_id` is BEIR's `id`; null and an empty line are nothing."""
    path = write(
        "corpus.jsonl",
        {"id": "a", "text": "A", "title": "T", "metadata": {"n": 1}},
        b"  ",
        {"_id": "b", "text": "B", "title": None, "metadata": None},
    )
    assert documents(path) == [Document("a", "A", "T", {"n": 1}), Document("b", "B")]


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


def test_a_bad_line_of_a_folder(write, tmp_path):
    """A file that begins with a document is one of documents: a bad line further down stops, folder or not."""
    path = write("a.jsonl", {"id": "a", "text": "A"}, b"{")
    assert refusal(str(tmp_path)).startswith(f"{path}:2: line: got '{{', but it is not JSON")


def test_files_that_hold_no_document(write, tmp_path):
    """An empty file, and one of blank lines, are named."""
    reader = Reader(1 << 20, whole)
    empty = write("a.md", b""), write("b.jsonl", b"", b"  "), write("c.txt", b" \n")
    write("d.md", b"D")
    assert [one.text for one in documents(str(tmp_path), reader=reader)] == ["D"]
    assert sorted(reader.empty) == sorted(empty)


def test_a_mark_of_byte_order_on_a_blank_line(write):
    """A file may begin with a byte order mark, on a line of its own too, and its lines may end as on Windows."""
    path = write("a.jsonl", b'\xef\xbb\xbf\r\n{"id": "a", "text": "A"}\r', b"\r", b'{"id": "b", "text": "B"}\r')
    assert documents(path) == [Document("a", "A"), Document("b", "B")]


def test_repeated_documents_are_left_out(write):
    """The same document twice, even in two files, is read once and counted."""
    reader = Reader(1 << 20)
    one = {"id": "a", "text": "A", "metadata": {"x": 1, "y": 2}}
    other = {"id": "a", "text": "A", "metadata": {"y": 2, "x": 1}}
    paths = write("1.jsonl", one, one), write("2.jsonl", other)
    assert documents(*paths, reader=reader) == [Document("a", "A", metadata={"x": 1, "y": 2})]
    assert reader.repeated == 2


def test_fields_that_are_not_read_are_named(write):
    """What a line holds beside a document's fields is reported, not silently dropped."""
    reader = Reader(1 << 20)
    documents(write("a.jsonl", {"id": "a", "text": "A", "url": "u", "lang": "de"}), reader=reader)
    assert reader.ignored == {"url", "lang"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line: got '{', but it is not JSON (Expecting property name enclosed in double quotes"),
        (b"[" * 100_000, "line: got '[[["),
        (["a"], "line: got '[\"a\"]', but it is not a JSON object; write one object with id and text a line"),
        ({"text": "A"}, "line: got ['text'], but it has no 'id'; add it: a string"),
        ({"id": "a"}, "line: got ['id'], but it has no 'text'; add it: a string"),
        ({"id": 7, "text": "A"}, "id: got 7, but it must be a string; put it in quotes"),
        ({"id": "", "text": "A"}, "id: got '', but an id must not be empty"),
        ({"id": "a", "text": " \n"}, "text: got ' \\n', but it must hold more than white space"),
        ({"id": "a", "text": ["A"]}, "text: got ['A'], but it must be a string"),
        ({"id": "a", "text": "A", "title": 1}, "title: got 1, but it must be a string"),
        ({"id": "a", "text": "A", "metadata": "m"}, "document 'a': metadata: got 'm', but it must be a JSON object"),
        ({"id": "a", "text": "A", "metadata": []}, "document 'a': metadata: got [], but it must be a JSON object"),
        (b'{"id": "a", "text": "A", "metadata": {"x": NaN}}', "document 'a': metadata.x: got nan, but numbers must"),
        (b'{"id": "a", "text": "\\ud800"}', "document 'a': text: got '\\ud800', but character 0 is half of a"),
        (
            b'{"id": "a", "text": "caf\xe9"}',
            "line: got b'\\xe9', but byte 24 is not UTF-8; convert the file to UTF-8",
        ),
        ({"id": "a\0", "text": "A"}, "id: got 'a\\x00', but an id must not hold a NUL character; take it out"),
        ({"id": "é" * 257, "text": "A"}, "id: got 'éééé"),
        ({"id": "a", "text": "é" * 60}, "text: got 'éééé"),
        ({"id": "a", "text": "A", "title": "t" * 4097}, "title: got 'tttt"),
        ({"id": "a", "text": "A", "metadata": {"x": "m" * 65_536}}, 'metadata: got \'{"x": "mmm'),
        ({"id": "first", "text": "other"}, "id: got 'first', but "),
    ],
)
def test_lines_that_are_no_document(write, line, message):
    """A bad line is refused with file, line, field, value and remedy."""
    path = write("bad.jsonl", {"id": "first", "text": "first"}, line, {"id": "last", "text": "last"})
    with pytest.raises(InputError) as caught:
        documents(path, reader=Reader(max_text_bytes=100))
    assert str(caught.value).startswith(f"{path}:2: {message}")


def test_two_documents_with_one_id(write):
    """The error names both places."""
    first, second = write("1.jsonl", {"id": "a", "text": "A"}), write("2.jsonl", {"id": "a", "text": "B"})
    message = f"{second}:1: id: got 'a', but {first}:1 has another document with this id; give each its own id"
    assert message == refusal(first, second)


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
