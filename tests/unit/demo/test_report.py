"""What the demo shows of a search."""

import pytest

from demo import report
from shortlist.client.types import Hit, SearchResult, Timing

TIMING = Timing(0.1, 0.2, 3.7, 2.0, 0.0, 106.5, 1.0, 103.0)
HITS = (
    Hit(
        "csv.DictReader",
        0.9,
        0.25,
        2,
        "csv.DictReader",
        "DictReader(f)\nDictReader(f, *)\n\nIt reads.\nMore.",
        {},
    ),
    Hit("subprocess.getstatusoutput", None, 0.5, 1, "", "other\nlines", {}),
)


def shown(hits=HITS, weight=0.5):
    """Return the lines of a search."""
    result = SearchResult(
        hits=hits,
        reranked=1,
        selected=2,
        limited_by=None,
        similarity_weight=weight,
        candidates=2,
        mode="two-stage",
        degraded=None,
        truncated=0,
        timing=TIMING,
    )
    return list(report.lines("rows into dictionaries", result))


def test_what_orders_the_hits_is_shown(monkeypatch):
    """A line a hit has both places, both numbers and what the document says first; above is the order."""
    monkeypatch.setenv("COLUMNS", "100")
    assert shown() == [
        "",
        "rows into dictionaries",
        "  stage one: 2 found in 3 ms; stage two: 1 read in 103 ms; order: 50% score, 50% similarity",
        " was -> is  score  similarity  name                        what it says",
        "   2 -> 1   0.900        0.25  csv.DictReader              It reads.",
        "   1 -> 2       -        0.50  subprocess.getstatusoutput  other",
    ]


def test_without_a_share_of_similarity_the_score_orders():
    """A reranker that asks for no similarity in the order is said to order by score."""
    assert shown(weight=0.0)[2].endswith("; order: score")


@pytest.mark.parametrize("columns", [64, 80, 120, 200])
def test_it_fits_the_terminal(monkeypatch, columns):
    """No line is wider than the terminal, and of a long name the end is shown."""
    monkeypatch.setenv("COLUMNS", str(columns))
    long = Hit(f"{'module.' * 20}name", 0.5, 0.5, 1, "", "word " * 100, {})
    lines = shown((long,))
    assert max(map(len, lines)) <= columns
    assert columns < 80 or "module.name " in lines[4]


def test_nothing_was_found():
    """An empty collection has no lines for hits."""
    assert len(shown(())) == 3
