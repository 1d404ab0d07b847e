"""What the demo shows of a search."""

import pytest

from demo import questions, report
from demo.questions import Places
from shortlist.client.types import Hit, SearchResult, Timing

TIMING = Timing(0.1, 0.2, 3.7, 2.0, 0.0, 106.5, 1.0, 103.0, 0.0)
HITS = (
    Hit(
        "csv.DictReader",
        0.8,
        0.9,
        0.25,
        2,
        "csv.DictReader",
        "DictReader(f)\nDictReader(f, *)\n\nIt reads.\nMore.",
        {},
    ),
    Hit("subprocess.getstatusoutput", None, None, 0.5, 1, "", "other\nlines", {}),
)


def shown(hits=HITS, answers=()):
    """Return the lines of a search."""
    result = SearchResult(
        hits=hits,
        reranked=1,
        selected=2,
        limited_by=None,
        candidates_from="dense",
        similarity_weight=8.0,
        candidates=2,
        mode="two-stage",
        degraded=None,
        truncated=0,
        timing=TIMING,
    )
    return list(report.lines("rows into dictionaries", result, answers))


def test_what_orders_the_hits_is_shown(monkeypatch):
    """A line a hit has both places, the number by which hits fall, what it is made of, and the document.

    What answers has a star.
    """
    monkeypatch.setenv("COLUMNS", "100")
    assert shown(answers=("csv.DictReader",)) == [
        "",
        "rows into dictionaries",
        "  stage one: 2 found in 3 ms; stage two: 1 read in 103 ms",
        " was -> is  relevance  score  similarity   name                        what it says",
        "   2 -> 1       0.800  0.900        0.25 * csv.DictReader              It reads.",
        "   1 -> 2           -      -        0.50   subprocess.getstatusoutput  other",
    ]


@pytest.mark.parametrize("columns", [64, 80, 120, 200])
def test_it_fits_the_terminal(monkeypatch, columns):
    """No line is wider than the terminal, and of a long name the end is shown."""
    monkeypatch.setenv("COLUMNS", str(columns))
    long = Hit(f"{'module.' * 20}name", 0.5, 0.5, 0.5, 1, "", "word " * 100, {})
    lines = shown((long,))
    assert max(map(len, lines)) <= columns
    assert columns < 80 or "module.name " in lines[4]


def test_nothing_was_found():
    """An empty collection has no lines for hits."""
    assert len(shown(())) == 3


def test_what_stage_two_moved_is_told():
    """Answers are counted where a reader looks, and moves where they change the reciprocal rank of ten places."""
    hits = [Hit(name, None, None, 0.0, rank, "", "", {}) for name, rank in (("a", 3), ("b", 1), ("c", 2))]
    assert questions.places(hits, ("c", "a")) == Places(2, 1)
    assert questions.places(hits, ("d",)) == Places(None, None)
    found = [Places(4, 1), Places(1, 2), Places(30, 11), Places(None, None)]
    assert list(questions.told(found)) == [
        "An answer is in the first 3 for 2 of 4 questions; by stage one alone for 1.",
        "Stage two moved the answer up 1 times, and down 1 times.",
    ]
