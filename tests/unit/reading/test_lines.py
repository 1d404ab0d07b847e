"""Documents out of lines of JSON: which are documents, and what a bad one is refused with."""

import pytest

from read_files import documents, refusal
from shortlist.client.types import Document
from shortlist.reading.reader import Reader


def test_json_lines(write):
    """Each line is a document; `_id` is BEIR's `id`; null and an empty line are nothing."""
    path = write(
        "corpus.jsonl",
        {"id": "a", "text": "A", "title": "T", "metadata": {"n": 1}},
        b"  ",
        {"_id": "b", "text": "B", "title": None, "metadata": None},
    )
    assert documents(path) == [Document("a", "A", "T", {"n": 1}), Document("b", "B")]


def test_a_bad_line_of_a_folder(write, tmp_path):
    """A file that begins with a document is one of documents: a bad line further down is refused, and others read."""
    path = write("a.jsonl", {"id": "a", "text": "A"}, b"{", {"id": "b", "text": "B"})
    reader = Reader(1 << 20)
    assert documents(str(tmp_path), reader=reader) == [Document("a", "A"), Document("b", "B")]
    assert (reader.refused.count, reader.refused.sources, reader.skipped) == (1, {path}, {})
    assert reader.refused.first[0].startswith(f"{path}:2: line: got '{{', but it is not JSON")


def test_a_file_that_begins_with_no_document(write):
    """A file that was named and whose first line is none is refused whole; a document outside its limits is alone."""
    assert refusal(write("a.jsonl", b"{", {"id": "b", "text": "B"})).endswith("write one object a line")
    reader = Reader(1 << 20)
    path = write("b.jsonl", {"id": "a", "text": " "}, {"id": "b", "text": "B"})
    assert documents(path, reader=reader) == [Document("b", "B")]
    assert reader.refused.first[0].startswith(f"{path}:1: text: got ' ', but it must hold more than white space")


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
    """A bad line is refused with file, line, field, value and remedy, and those around it are read."""
    path = write("bad.jsonl", {"id": "first", "text": "first"}, line, {"id": "last", "text": "last"})
    reader = Reader(max_text_bytes=100)
    assert [one.id for one in documents(path, reader=reader)] == ["first", "last"]
    (told,) = reader.refused.first
    assert told.startswith(f"{path}:2: {message}")


def test_two_documents_with_one_id(write):
    """The second is refused, and told with both places."""
    first, second = write("1.jsonl", {"id": "a", "text": "A"}), write("2.jsonl", {"id": "a", "text": "B"})
    message = f"{second}:1: id: got 'a', but {first}:1 has another document with this id; give each its own id"
    reader = Reader(1 << 20)
    assert documents(first, second, reader=reader) == [Document("a", "A")]
    assert reader.refused.first == [message]


def test_of_many_bad_lines_the_first_are_kept(write):
    """All are counted, and a hundred are told."""
    reader = Reader(1 << 20)
    documents(write("a.jsonl", {"id": "a", "text": "A"}, *[b"{"] * 250), reader=reader)
    assert (reader.refused.count, len(reader.refused.first)) == (250, 100)
