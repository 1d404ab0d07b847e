"""What a benchmark says of the recall behind its searches."""

import pytest

from shortlist.bench import report
from shortlist.client.types import Recall


@pytest.mark.parametrize(
    ("recall", "told"),
    [
        (Recall(0.99, "exact", 1.0, 0.0, 0, 0), "recall@50: 1, since every search compared all vectors"),
        (
            Recall(0.99, "unmeasured", None, 0.0, 0, 256),
            "recall@50: not measured; the server has not done enough searches again (its setting recall_samples)",
        ),
        (
            Recall(0.99, "met", 0.99432, 0.00125, 256, 192),
            (
                "recall@50: 0.9943 (error 0.0013), of 256 searches that the server did again exactly;"
                " target 0.99 met, beam 192"
            ),
        ),
        (
            Recall(0.999, "missed", 0.9861, 0.002, 32, 512),
            (
                "recall@50: 0.9861 (error 0.0020), of 32 searches that the server did again exactly;"
                " target 0.999 missed, beam 512"
            ),
        ),
    ],
)
def test_recall_is_told(recall: Recall, told: str):
    """A figure has its error, of how many searches it is, and whether it is what the collection is held to."""
    assert report.recall(recall) == told
