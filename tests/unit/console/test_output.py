"""What commands print."""

import io
import os
import unicodedata

import pytest

from shortlist.cli import excerpt, search
from shortlist.client.types import Hit, SearchResult, Timing
from shortlist.console import colors, columns, output, tables

HITS = (
    Hit("b", 0.8, 0.9, 0.25, 7, "Title", "text\nin two\x1b[2J lines", {}),
    Hit("long-id", None, None, 0.5, 2, "", "other", {}),
)


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Give every test a terminal of the same width."""
    monkeypatch.setenv("COLUMNS", "120")


def result(**changes):
    """Make a search's result."""
    fields = {
        "hits": HITS,
        "reranked": 1,
        "selected": 2,
        "limited_by": None,
        "similarity_weight": 0.0,
        "candidates": 2,
        "mode": "two-stage",
        "candidates_from": "dense",
        "degraded": None,
        "truncated": 0,
        "timing": Timing(0.1, 0.2, 3.7, 2.0, 0.0, 6.5, 1.0, 3.0, 0.0),
    }
    return SearchResult(**(fields | changes))


def page(query="two lines", **changes):
    """Return a page for a query."""
    return search.Page(excerpt.terms(query, [hit.text for hit in HITS]), **changes)


@pytest.mark.parametrize(("number", "shown"), [(0, "0 slots"), (1, "1 slot"), (2, "2 slots"), (1500, "1,500 slots")])
def test_a_number_with_its_noun(number, shown):
    """One has no plural, and thousands are set apart."""
    assert output.counted(number, "slot") == shown


def test_hits_as_a_table():
    """A hit is a line with both stages' opinions and its text below; text cannot move the cursor."""
    assert list(page().hits(result())) == [
        "place  relevance  score   similarity  stage one  id",
        "1      0.8000     0.9000  0.2500      7 (+6)     b",
        "       Title | text in two [2J lines",
        "2      -          -       0.5000      2          long-id",
        "       other",
        "",
    ]


def test_both_places_of_a_hit():
    """Candidates from two rankings have a column for each: a dash where one has not brought the hit."""
    hit = Hit("b", 0.8, 0.9, 0.25, 7, "", "text", {}, lexical_rank=4)
    assert list(page().hits(result(hits=(hit,), candidates_from="hybrid")))[:2] == [
        "place  relevance  score   similarity  stage one  dense  lexical  id",
        "1      0.8000     0.9000  0.2500      7 (+6)     -      4        b",
    ]


def test_words_of_the_query_are_marked():
    """Where there are colours, ids stand out, and so do the query's words."""
    lines = list(page(colored=True).hits(result()))
    assert lines[1].endswith("\x1b[1mb\x1b[0m")
    assert lines[2] == "       Title | text in \x1b[1;31mtwo\x1b[0m [2J \x1b[1;31mlines\x1b[0m"


def test_whole_texts(monkeypatch):
    """With --full a text has its own lines and indentation, long ones wrapped behind it."""
    monkeypatch.setenv("COLUMNS", "47")
    text = "def f():\n\treturn 1\n\n    " + "word " * 10
    lines = list(page(full=True).hits(result(hits=(Hit("a", 0.5, 0.5, 0.5, 1, "Title", text, {}),))))
    assert lines[2:] == [
        "       Title",
        "       def f():",
        "               return 1",
        "",
        "           word word word word word word word",
        "           word word word",
        "",
    ]


def test_an_id_is_never_cut(monkeypatch):
    """However narrow the terminal, an id is whole: the other commands take it."""
    monkeypatch.setenv("COLUMNS", "40")
    hit = Hit("x" * 100, 0.5, 0.5, 0.5, 1, "x" * 100, "text", {})
    assert list(page().hits(result(hits=(hit,))))[1:3] == [
        f"1      0.5000     0.5000  0.5000      1          {'x' * 100}",
        "       text",
    ]


def notes(similarity_weight=0.0, *, asked=False, **changes):
    """Return what stands below the table."""
    return list(search.notes(result(similarity_weight=similarity_weight, **changes), asked=asked))


def test_what_ran_is_said():
    """The mode and the times are told."""
    assert notes() == ["two-stage: 1 of 2 candidates reranked; 6.5 ms (embed 1.0, retrieve 2.0, rerank 3.0)"]
    assert notes(candidates_from="lexical")[0].startswith("two-stage: 1 of 2 lexical candidates reranked")


def test_why_the_order_is_not_that_of_the_scores():
    """A weight of the similarity is told with who decided on it, and a search without scores says so."""
    assert notes(8)[1] == (
        "relevance, by which hits fall, is of score and similarity together"
        " (weight 8, as the reranker's bundle says); --similarity-weight 0 leaves the score alone"
    )
    assert "(weight 2.5, as asked for)" in notes(2.5, asked=True)[1]
    assert notes(0.5, mode="dense", reranked=0)[1] == "in the order of similarity: mode dense has no scores"
    assert "similarity and words in common" in notes(mode="dense", reranked=0, candidates_from="hybrid")[1]
    assert len(notes(0.5, reranked=0)) == 1


def test_what_fell_short_is_said():
    """A deadline that came near and texts that were cut are told below the table."""
    assert notes(degraded="deadline", truncated=2)[-2:] == [
        "the deadline came near: only 1 of 2 candidates have a score",
        "texts longer than a model's window, cut for it: 2",
    ]


def test_why_fewer_were_read_is_said():
    """Where stage two left candidates out, the reason is told with what reads them."""
    assert (
        "1 of 2 candidates reranked (the others are far less similar; --margin 2 reads"
        in notes(limited_by="margin")[0]
    )
    assert "the server's time for one search allows; --candidates names" in notes(limited_by="budget")[0]


def test_no_hits():
    """An empty collection gives a line, not an empty table."""
    assert list(page().hits(result(hits=()))) == ["no hits"]


def test_notes_fit_the_terminal(monkeypatch):
    """Notes are wrapped at the terminal's width, between words."""
    monkeypatch.setenv("COLUMNS", "40")
    assert columns.filled(["only 1 of 2 candidates have a score, as time was short", "b"]) == [
        "only 1 of 2 candidates have a score, as",
        "time was short",
        "b",
    ]


def test_a_table_fits_the_terminal(monkeypatch):
    """The last column is cut where the terminal ends."""
    monkeypatch.setenv("COLUMNS", "50")
    assert tables.table(("id", "text"), [("a", "x" * 100)]).splitlines()[1] == f"a   {'x' * 43}..."


def test_a_terminal_without_room(monkeypatch):
    """However narrow the terminal, some of the text is shown."""
    monkeypatch.setenv("COLUMNS", "1")
    assert tables.table(("id", "text"), [("a", "x" * 100)]).splitlines()[1] == f"a   {'x' * 27}..."


def test_numbers_line_up_at_the_right():
    """Columns of numbers end below each other, wide characters or not, and are as wide as asked for at least."""
    assert tables.grid(("天気", "n"), [("1", "10"), ("東京都", "2")], right=True, least=3) == [
        "  天気    n",
        "     1   10",
        "東京都    2",
    ]


def test_without_a_terminal_nothing_is_cut(monkeypatch):
    """In a pipe a cell and a note are whole, each on one line, as grep and cut want them."""
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(os, "get_terminal_size", _no_terminal)
    assert tables.table(("id", "text"), [("a", "word " * 100)]).splitlines()[1] == f"a   {'word ' * 99}word"
    assert columns.filled(["word " * 99 + "word"]) == ["word " * 99 + "word"]


def _no_terminal(_descriptor):
    raise OSError


def test_wide_characters_line_up(monkeypatch):
    """Columns begin below each other whatever is in them, and the last one is cut where the terminal ends."""
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("東京", "x"), ("cafe\u0301", "x"), ("\U0001f680", "x"), ("a", "日本" * 20)]
    lines = tables.table(("id", "text"), rows).splitlines()
    assert lines[:4] == ["id    text", "東京  x", "cafe\u0301  x", "\U0001f680    x"]
    assert lines[4] == f"a     {'日本' * 7}日..."
    wide = sum(unicodedata.east_asian_width(one) == "W" for one in lines[4])
    assert len(lines[4]) + wide == 39  # the next one would need two


@pytest.mark.parametrize(
    ("environment", "is_terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": "0"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "xterm"}, True, True),
    ],
)
def test_when_there_are_colours(environment, is_terminal, expected):
    """NO_COLOR, FORCE_COLOR and TERM=dumb decide, in this order; else whether it is a terminal."""
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal
    assert colors.wanted(stream, environment) is expected
