"""What the demo shows of a search."""

import pytest

from demo import report
from shortlist.client.types import Hit, SearchResult, Timing

TIMING = Timing(0.1, 0.2, 3.7, 2.0, 0.0, 106.5, 1.0, 103.0)
HITS = (
    Hit("csv.DictReader", 0.9, 0.25, 2, "csv.DictReader", "It reads. It maps rows to dictionaries.", {}),
    Hit("subprocess.getstatusoutput", None, 0.5, 1, "", "other", {}),
)


def shown(hits=HITS):
    """Return the lines of a search."""
    result = SearchResult(
        hits=hits,
        reranked=1,
        selected=2,
        limited_by=None,
        similarity_weight=0.5,
        candidates=2,
        mode="two-stage",
        degraded=None,
        truncated=0,
        timing=TIMING,
    )
    return list(report.lines("rows into dictionaries", result))


def test_both_stages_side_by_side(monkeypatch):
    """Each half has its own order and number, with how far stage two moved a hit; the best one's text is below."""
    monkeypatch.setenv("COLUMNS", "80")
    assert shown() == [
        "",
        "  rows into dictionaries",
        "  stage one: 2 found in 3 ms            stage two: 1 read in 103 ms",
        "   1 subprocess.getstatusoutput  0.50    1 csv.DictReader             0.900  +1",
        "   2 csv.DictReader              0.25    2 subprocess.getstatusoutput     -  -1",
        "     csv.DictReader | It reads. It maps rows to dictionaries.",
    ]


@pytest.mark.parametrize("columns", [64, 80, 120, 200])
def test_it_fits_the_terminal(monkeypatch, columns):
    """No line is wider than the terminal, and of a long name the end is shown."""
    monkeypatch.setenv("COLUMNS", str(columns))
    long = Hit(f"{'module.' * 20}name", 0.5, 0.5, 1, "", "word " * 100, {})
    lines = shown((long,))
    assert max(map(len, lines)) <= columns
    assert lines[3].count("module.name ") == 2


def test_nothing_was_found():
    """An empty collection has no lines for hits."""
    assert len(shown(())) == 3


def test_the_legend_says_why_scores_do_not_fall():
    """With a share of the similarity the order is explained, without it is that of the scores."""
    assert "50% score and 50% similarity, as this reranker's bundle asks" in report.legend(0.5)
    assert "Its order is that of the scores." in report.legend(0.0)
