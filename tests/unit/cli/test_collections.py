"""What `shortlist collections` and `shortlist describe` say of collections."""

from datetime import UTC, datetime

import pytest

from shortlist.cli import collections
from shortlist.client.token_vectors import TokenVectors
from shortlist.client.types import Collection, Recall

NO_VECTORS = TokenVectors("no-vectors", "none", "", "", 0, 0, 0, 0, "")
MADE = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("recall", "told"),
    [
        (Recall(0.99, "exact", 1.0, 0.0, 0, 0), "1 (all compared)"),
        (Recall(0.95, "unmeasured", None, 0.0, 0, 256), "target 0.95, not measured yet"),
        (Recall(0.99, "unmeasured", 0.975, 0.0, 3, 256), "0.9750 of 3, beam 256: target 0.99 not known yet"),
        (Recall(0.99, "met", 0.99432, 0.001, 256, 192), "0.9943 of 256, beam 192: target 0.99 met"),
        (Recall(0.999, "missed", 0.9861, 0.001, 256, 512), "0.9861 of 256, beam 512: target 0.999 missed"),
    ],
)
def test_recall_is_told(recall: Recall, told: str):
    """The table has what was measured, of how many searches, and whether the target is met."""
    assert collections.recall(recall) == told
    found = Collection("notes", 60_000, "m (fp32)", "f", 3, MADE, recall, "german", "none", NO_VECTORS)
    table = collections.shown([found])
    assert told in table
    assert "recall@50" in table.splitlines()[0]


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (NO_VECTORS, "none"),
        (TokenVectors("none", "making", "l", "g", 96, 1_200, 90_000, 9, ""), "making, 1,200 documents have them"),
        (TokenVectors("none", "ready", "l", "g", 96, 2, 9_000, 864_000, ""), "9,000, 864,000 bytes"),
        (TokenVectors("by-two", "ready", "l", "g", 96, 2, 4_500, 432_000, ""), "4,500, 432,000 bytes, by-two"),
        (TokenVectors("none", "unusable", "l", "g", 96, 2, 9, 9, "another model made them"), "unusable"),
    ],
)
def test_token_vectors_are_told(vectors: TokenVectors, told: str):
    """The table has what they cost or how far they are; why searches do without stands below it."""
    assert collections.token_vectors(vectors) == told
    recall = Recall(0.99, "exact", 1.0, 0.0, 0, 0)
    found = Collection("notes", 2, "m (fp32)", "f", 3, MADE, recall, "english", "none", vectors)
    heads, row, *below = collections.shown([found]).splitlines()
    assert "token vectors" in heads
    assert told in row
    fault = ["notes: searches do without its token vectors: another model made them"] if vectors.fault else []
    assert below == fault
