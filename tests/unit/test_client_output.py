"""What commands print."""

from shortlist.client import output, search
from shortlist.client.types import Hit, SearchResult, Timing

HITS = (
    Hit("b", 0.9, 0.25, 7, "Title", "text\nin two\x1b[2J lines", {}),
    Hit("long-id", None, 0.5, 2, "", "other", {}),
)


def result(**changes):
    """Make a search's result."""
    fields = {
        "hits": HITS,
        "reranked": 1,
        "selected": 2,
        "limited_by": None,
        "candidates": 2,
        "mode": "two-stage",
        "degraded": None,
        "truncated": 0,
        "timing": Timing(0.1, 0.2, 3.7, 2.0, 0.0, 6.5, 1.0, 3.0),
    }
    return SearchResult(**(fields | changes))


def test_hits_as_a_table():
    """A hit is a line with both stages' opinions; text cannot move the cursor."""
    assert search.shown(result()).splitlines() == [
        "place  score   similarity  stage one  id       text",
        "1      0.9000  0.2500      7 (+6)     b        Title | text in two [2J lines",
        "2      -       0.5000      2          long-id  other",
        "",
        "two-stage: 1 of 2 candidates reranked; 6.5 ms (embed 1.0, retrieve 2.0, rerank 3.0)",
    ]


def test_what_fell_short_is_said():
    """A deadline that came near and texts that were cut are told below the table."""
    assert search.shown(result(degraded="deadline", truncated=2)).splitlines()[-2:] == [
        "the deadline came near: only 1 of 2 candidates have a score",
        "2 texts were longer than a model's window, and were cut for it",
    ]


def test_what_was_not_read_is_told():
    """Why stage two read fewer candidates than there were is told, with the way to have them all read."""
    assert "1 of 2 candidates reranked (the others are far less similar; --margin 2" in search.shown(
        result(selected=1, limited_by="margin")
    )
    assert "1 of 2 candidates reranked (as many as the server's time for one search" in search.shown(
        result(selected=1, limited_by="budget")
    )


def test_no_hits():
    """An empty collection gives a line, not an empty table."""
    assert search.shown(result(hits=())).splitlines()[0] == "no hits"


def test_a_table_fits_the_terminal(monkeypatch):
    """The last column is cut where the terminal ends."""
    monkeypatch.setenv("COLUMNS", "50")
    assert output.table(("id", "text"), [("a", "x" * 100)]).splitlines()[1] == f"a   {'x' * 43}..."


def test_a_terminal_without_room(monkeypatch):
    """However narrow the terminal, some of the text is shown."""
    monkeypatch.setenv("COLUMNS", "1")
    assert output.table(("id", "text"), [("a", "x" * 100)]).splitlines()[1] == f"a   {'x' * 27}..."
