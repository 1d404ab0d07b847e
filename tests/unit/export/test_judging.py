"""The texts that judge: those that ship, a user's in every form, and what is refused by message."""

import json
from collections import Counter
from dataclasses import astuple
from pathlib import Path

import pytest

from shortlist.export import judging
from shortlist.export.errors import ExportError
from shortlist.export.judging import Asked
from shortlist.server.runtime.manifest import Kind
from shortlist.texts import shipped


def written(path: Path, *entries: object) -> Path:
    """Write JSON lines to a file in a folder."""
    file = path / "calibration.jsonl"
    file.write_text("".join(f"{json.dumps(entry, ensure_ascii=False)}\n" for entry in entries), encoding="utf-8")
    return file


def lists(count: int) -> list[dict[str, object]]:
    """Return so many judged queries, each with a positive and two negatives of its own."""
    return [
        {"query": f"query {n}", "positive": f"answer {n}", "negatives": [f"far {n}", f"farther {n}"]}
        for n in range(count)
    ]


def test_every_shipped_entry_parses_and_a_topic_has_four():
    """Each line has a topic, a query and a text, no text or query is there twice, and topics stand in fours."""
    entries = shipped.entries()
    assert all(value.strip() for entry in entries for value in astuple(entry))
    assert {4} == set(Counter(entry.topic for entry in entries).values())
    topics = [entry.topic for entry in entries]
    assert all(len(set(topics[start : start + 4])) == 1 for start in range(0, len(topics), 4))
    for field in ("query", "text"):
        assert len(entries) == len({getattr(entry, field) for entry in entries})


def test_each_shipped_query_stands_beside_ten_passages_of_which_one_answers():
    """Every entry makes one list of ten different passages: its own graded 1, three of its topic, six of others."""
    entries = shipped.entries()
    topics = {entry.text: entry.topic for entry in entries}
    answers = {entry.query: entry.text for entry in entries}
    found = judging.bundled()
    assert found.name == judging.BUNDLED
    assert answers.keys() == {asked.query for asked in found.lists}
    assert len(entries) == len(found.lists)
    for asked in found.lists:
        assert 10 == len(set(asked.passages)) == len(asked.passages)
        assert answers[asked.query] == asked.passages[0]
        assert (1, *[0] * 9) == asked.grades
        assert sum(topics[passage] == topics[asked.passages[0]] for passage in asked.passages) == 4


def test_shipped_halves_share_no_query_and_no_passage():
    """What calibrates and what judges are as large as each other, and no text is in both."""
    whole = judging.bundled()
    calibrating, judges = whole.halves()
    assert len(calibrating.lists) == len(judges.lists) == len(whole.lists) // 2
    queries = [{asked.query for asked in half.lists} for half in (calibrating, judges)]
    assert set() == queries[0] & queries[1]
    assert set() == set(calibrating.documents()) & set(judges.documents())
    assert set(whole.documents()) == {*calibrating.documents(), *judges.documents()}


def test_documents_are_there_once_passages_first():
    """A passage of two lists, or one that is a text of its own too, counts once."""
    both = (Asked("q", ("a", "b")), Asked("r", ("b", "c")))
    assert judging.Judging("name", both, ("c", "d")).documents() == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("entry", "passages", "grades"),
    [
        ({"positive": "a", "negatives": ["b", "c"]}, ("a", "b", "c"), (1, 0, 0)),
        ({"positive": ["a", "b"], "negatives": ["c"]}, ("a", "b", "c"), (1, 1, 0)),
        ({"positive": ["a", "b"]}, ("a", "b"), (1, 1)),
        ({"positive": "a", "negatives": "many words"}, ("a", "many words"), (1, 0)),
        ({"positive": "a", "negatives": ["b", "a", "b"]}, ("a", "b"), (1, 0)),
        ({"passages": ["a", "b", "c"]}, ("a", "b", "c"), ()),
        ({"passages": ["a", "b", "a"]}, ("a", "b"), ()),
    ],
)
def test_a_query_beside_passages(tmp_path: Path, entry: dict, passages: tuple[str, ...], grades: tuple[int, ...]):
    """Each form of a judged or unjudged query is read; a passage is there once, and positive if it is said once."""
    path = written(tmp_path, {"query": "q", **entry}, *lists(8))
    assert Asked("q", passages, grades) == judging.read(path, "reranker").lists[0]


def test_texts_without_queries(tmp_path: Path):
    """An embedder needs no queries: objects of a text each will do."""
    path = written(tmp_path, *({"text": f"text {n}"} for n in range(24)))
    found = judging.read(path, "embedder")
    assert found.lists == ()
    assert tuple(f"text {n}" for n in range(24)) == found.texts


def test_plain_text(tmp_path: Path):
    """A file that starts with no brace is plain text: a text a line, blank ones left out, whatever ends a line."""
    path = tmp_path / "plain.txt"
    path.write_bytes("".join(f"  líne {n} \r\n\n" for n in range(30)).encode())
    assert tuple(f"líne {n}" for n in range(30)) == judging.read(path, "embedder").texts


def test_a_text_that_is_there_twice_is_in_one_half(tmp_path: Path):
    """Repeated lines count once, so that none calibrates and judges."""
    path = tmp_path / "plain.txt"
    path.write_text("".join(f"line {n}\nline {n}\n" for n in range(24)))
    calibrating, judges = judging.read(path, "embedder").halves()
    assert (len(calibrating.texts), len(judges.texts)) == (12, 12)
    assert set() == set(calibrating.texts) & set(judges.texts)


def test_a_byte_order_mark_is_no_text(tmp_path: Path):
    """JSON lines that an editor put a byte order mark before are JSON lines all the same."""
    path = written(tmp_path, *lists(8))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(judging.read(path, "reranker").lists) == 8


@pytest.mark.parametrize("character", ["\u2028", "\u0085"])
def test_json_goes_on_where_unicode_breaks_a_line(tmp_path: Path, character: str):
    """Characters that Python calls the end of a line are part of a text, as JSON has it."""
    entry = {"query": "q", "passages": [f"a{character}b", "c"]}
    path = tmp_path / "calibration.jsonl"
    path.write_text("".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in [entry, *lists(8)]), "utf-8")
    assert (f"a{character}b", "c") == judging.read(path, "reranker").lists[0].passages


def test_the_name_tells_file_and_content(tmp_path: Path):
    """A file that changed has another name, so that an export that it judged is out of date."""
    before = judging.read(written(tmp_path, *lists(8)), "reranker").name
    after = judging.read(written(tmp_path, *lists(9)), "reranker").name
    assert before.startswith("calibration.jsonl (")
    assert before != after


def test_a_large_file_is_cut(tmp_path: Path):
    """Of a file of many thousand lines the first two thousand count, and none after them is looked at."""
    path = tmp_path / "large.jsonl"
    path.write_text("".join(f'{{"text": "text {n}"}}\n' for n in range(2000)) + "{damaged")
    assert len(judging.read(path, "embedder").texts) == 2000


def test_a_missing_file_is_refused(tmp_path: Path):
    """The message names the path and what the system says."""
    with pytest.raises(ExportError, match=r"calibration .*nothing\.txt cannot be read: No such file"):
        judging.read(tmp_path / "nothing.txt", "embedder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; leave it out to use the texts that ship"),
        (b" \n\t\r\n\n", "is empty; leave it out"),
        (b"\xef\xbb\xbf\n", "is empty; leave it out"),
        (b"one\n\xff two", r"is not text in UTF-8 \(byte 4\)"),
        ("text".encode("utf-16"), r"is not text in UTF-8 \(byte 0\)"),
        (b"one\ntwo\0three\n", "is not text: it holds NUL bytes"),
        (b'{"text": "a"}\n\n{"text": ', "entry 2: Expecting value"),
        (b'{"text": "a"}\nplain', "entry 2: Expecting value"),
        (b'{"text": "a"}\n["b"]', "entry 2: list is no object"),
        (b'{"text": "a"}\n"b"', "entry 2: str is no object"),
        (b'{"text": "a"}\n' + b"[" * 200_000, "entry 2: .*recursion"),
    ],
)
@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_what_is_no_file_of_texts_is_refused(tmp_path: Path, kind: Kind, content: bytes, message: str):
    """Empty, binary and malformed files are refused for either kind; the entry at fault is counted."""
    path = tmp_path / "calibration.jsonl"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=rf"calibration .*calibration\.jsonl.* {message}"):
        judging.read(path, kind)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "text is None, but a text is needed"),
        ({"text": 5}, "text is 5, but a text is needed"),
        ({"text": "  "}, "text is '  ', but a text is needed"),
        ({"text": ["a"]}, r"text is \['a'\], but a text is needed"),
        ({"query": None, "positive": "a", "negatives": ["b"]}, "query is None, but a text is needed"),
        ({"query": "", "passages": ["a", "b"]}, "query is '', but a text is needed"),
        ({"query": "q"}, "positive is None, but a text or a list of texts is needed"),
        ({"query": "q", "positive": [], "negatives": ["a", "b"]}, r"positive is \[\], but a text or a list"),
        ({"query": "q", "positive": 5, "negatives": ["a", "b"]}, "positive is 5, but a text or a list of texts"),
        ({"query": "q", "positive": "a", "negatives": {"b": 1}}, r"negatives is \{'b': 1\}, but a text or a list"),
        ({"query": "q", "positive": "a", "negatives": ["b", None]}, "negatives is None, but a text is needed"),
        ({"query": "q", "passages": 7}, "passages is 7, but a text or a list of texts is needed"),
        ({"query": "q", "passages": ["a", 7]}, "passages is 7, but a text is needed"),
        ({"query": "q", "passages": ["a"]}, "1 passages beside the query, but an order needs two"),
        ({"query": "q", "passages": "a whole text"}, "1 passages beside the query, but an order needs two"),
        ({"query": "q", "passages": ["a", "a"]}, "1 passages beside the query, but an order needs two"),
        ({"query": "q", "positive": "a"}, "1 passages beside the query, but an order needs two"),
        ({"query": "q", "positive": "a", "negatives": ["a"]}, "1 passages beside the query"),
    ],
)
def test_what_is_no_entry_is_refused(tmp_path: Path, entry: dict, message: str):
    """Wrong types and lists without an order are refused with entry, field, value and the forms that there are."""
    path = written(tmp_path, {"text": "a"}, entry)
    with pytest.raises(ExportError, match=rf'entry 2: {message}.*; a line is {{"query", "positive", "negatives"}}'):
        judging.read(path, "embedder")


def test_half_a_character_is_refused(tmp_path: Path):
    """A surrogate without its other half, which JSON can write and no tokenizer takes, is refused at once."""
    path = tmp_path / "calibration.jsonl"
    path.write_text('{"text": "a \\ud83d"}\n')
    with pytest.raises(ExportError, match=r"entry 1: .*surrogates not allowed"):
        judging.read(path, "embedder")


def test_a_reranker_needs_eight_lists(tmp_path: Path):
    """Texts without queries are no lists, seven lists are too few, and eight are enough."""
    texts = [{"text": f"text {n}"} for n in range(50)]
    with pytest.raises(ExportError, match="has 7 queries beside two passages or more, but a reranker needs 8: lines"):
        judging.read(written(tmp_path, *lists(7), *texts), "reranker")
    assert len(judging.read(written(tmp_path, *lists(8)), "reranker").lists) == 8


def test_an_embedder_needs_twenty_four_texts(tmp_path: Path):
    """Different texts count, passages of queries among them; 23 are too few, and 24 are enough."""
    path = tmp_path / "plain.txt"
    path.write_text("\n".join([*(f"line {n}" for n in range(23)), "line 0"]))
    with pytest.raises(ExportError, match="has 23 different texts, but an embedder needs 24"):
        judging.read(path, "embedder")
    assert len(judging.read(written(tmp_path, *lists(8)), "embedder").documents()) == 24


def test_an_embedder_needs_texts_in_both_halves(tmp_path: Path):
    """Enough texts in one long list leave nothing to judge on, which the message says."""
    path = written(tmp_path, {"query": "q", "passages": [f"passage {n}" for n in range(30)]})
    with pytest.raises(
        ExportError, match="gives 30 texts to calibrate on and 0 to judge on, but an embedder needs 12"
    ):
        judging.read(path, "embedder")


def test_narrowed_lists_keep_their_first_passages():
    """Calibration takes a few passages of each list, with their grades."""
    (asked, *_) = judging.bundled().narrowed(3).lists
    whole = judging.bundled().lists[0]
    assert (asked.passages, asked.grades) == (whole.passages[:3], whole.grades[:3])
