"""What `shortlist collections` and `shortlist describe` say of collections."""

from datetime import UTC, datetime

import pytest

from shortlist.cli import collections
from shortlist.client.types import Collection, Recall


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
    made = datetime(2026, 1, 2, tzinfo=UTC)
    table = collections.shown([Collection("notes", 60_000, "m (fp32)", "f", 3, made, recall, "german", "none")])
    assert told in table
    assert "recall@50" in table.splitlines()[0]
