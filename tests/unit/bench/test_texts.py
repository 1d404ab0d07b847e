"""The texts of a load: what is read, and that nothing is drawn twice."""

import json

import pytest

from shortlist.bench import texts
from shortlist.bench.texts import Draw, Texts
from shortlist.console.errors import UsageError

QUERIES = ("how deep is the sea", "who wrote Faust", "what is salt")
PASSAGES = ("The sea is deep. It is wet.", "Goethe wrote Faust. He was old. He was wise.", "Salt is white.")


def draw(seed=0, mark=0, **changes):
    """Draw from a few texts."""
    return Draw(Texts("few", **{"queries": QUERIES, "passages": PASSAGES, **changes}), seed, mark)


def test_no_query_comes_twice():
    """Queries stay different when they run out, and in a run with another mark; the query itself stays whole."""
    one, other = draw(mark=1), draw(mark=90)
    drawn = [one.query() for _ in range(150)] + [other.query() for _ in range(3)]
    assert len(set(drawn)) == len(drawn)
    assert all(query.endswith(QUERIES) for query in drawn)


def test_each_round_asks_every_query():
    """All queries come once before the first comes again, in an order that the seed gives."""
    source, again = draw(seed=3), draw(seed=3)
    drawn = [source.query() for _ in range(6)]
    for round_ in (drawn[:3], drawn[3:]):
        assert {asked for query in round_ for asked in QUERIES if query.endswith(asked)} == set(QUERIES)
    assert [again.query() for _ in range(6)] == drawn


def test_passages_that_run_out_are_put_together():
    """All passages come once; further ones are made of their sentences, and counted."""
    source = draw()
    assert {source.passage() for _ in PASSAGES} == set(PASSAGES)
    composed = [source.passage() for _ in range(20)]
    sentences = {f"{one.rstrip('.')}." for passage in PASSAGES for one in passage.split(". ")}
    assert all(f"{one.rstrip('.')}." in sentences for passage in composed for one in passage.split(". "))
    assert source.drawn.composed_passages == 20


def test_lists_come_from_the_query_s_own():
    """A query is asked beside passages of its list, all different; a list that comes again is counted."""
    own = (("a", "b", "c"), ("d", "e"), ("f", "g"))
    source = draw(lists=own)
    for _ in range(3):
        query, passages = source.ranking(2)
        assert query in QUERIES
        assert set(passages) <= set(own[QUERIES.index(query)])
        assert len(set(passages)) == 2
    assert source.drawn.repeated_lists == 0
    for _ in range(3):
        source.ranking(2)
    assert source.drawn.repeated_lists >= 2  # of two passages there is one list only


def test_the_texts_that_ship():
    """Without a file there are enough queries and passages, none twice."""
    found = texts.find()
    assert found.name == texts.SHIPPED
    assert len(set(found.queries)) == len(found.queries) == 160
    assert len(set(found.passages)) == len(found.passages) == found.longest_list() == 160


def test_a_beir_folder(tmp_path):
    """Titles go before texts, as both models read them; equal queries count once."""
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "1", "title": "Sea", "text": "It is deep."}\n{"_id": "2", "title": "", "text": "Salt is white."}\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "how deep"}\n' * 2)
    found = texts.find(folder=tmp_path)
    assert found == Texts(str(tmp_path), ("how deep",), ("Sea It is deep.", "Salt is white."))


def test_candidate_lists(tmp_path):
    """A file of lists brings queries, their passages, and all passages once."""
    path = tmp_path / "lists.json"
    lists = [
        {"query": "q", "hits": [{"content": "a"}, {"content": "b"}]},
        {"query": "r", "hits": [{"content": "b"}]},
        {"query": "s", "hits": []},
    ]
    path.write_text(json.dumps(lists))
    assert texts.find(path) == Texts(str(path), ("q", "r"), ("a", "b"), (("a", "b"), ("b",)))
    assert texts.find(path).longest_list() == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("candidates", None, "no.json cannot be read: No such file"),
        ("candidates", "{", "is no file of candidate lists"),
        ("candidates", '[{"query": "q"}]', "is no file of candidate lists"),
        ("candidates", '[{"query": "q", "hits": [{"content": 1}]}]', "must be strings"),
        ("candidates", "[]", "holds no list with passages"),
        ("queries", None, "no.json: cannot be read"),
        ("queries", '{"text": "a"}\n{"query": "b"}', ":2: is no query"),
        ("queries", '{"text": " "}', ":1: is no query"),
        ("queries", "", "holds no query"),
        ("corpus", '{"text": "a"}', "it has no"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, told):
    """A file that is missing or holds something else ends in one line with its name, the place and what to write."""
    path = tmp_path / "no.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=told) as caught:
        texts.find(**{"candidate_lists" if name == "candidates" else name: path})
    assert "no.json" in str(caught.value)


def test_passages_are_json_lines(tmp_path):
    """A text, which `shortlist index` cuts by the tokens of a server, is no corpus here."""
    path = tmp_path / "corpus.md"
    path.write_text("# Heading")
    with pytest.raises(UsageError, match=r"corpus\.md: is text; only JSON lines are read here"):
        texts.find(corpus=path)


@pytest.mark.parametrize(
    "others", [("candidate_lists", "folder"), ("candidate_lists", "queries"), ("folder", "corpus")]
)
def test_sources_exclude_each_other(tmp_path, others):
    """Two sources of the same texts are refused, rather than one of them passed over."""
    with pytest.raises(UsageError, match="leave"):
        texts.find(**dict.fromkeys(others, tmp_path))
