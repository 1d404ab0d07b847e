"""The verdict over memory, and what cannot be judged."""

from pathlib import Path

import pytest

from parsed import parsed
from shortlist.bench.samples import Reply
from shortlist.bench.studies.soak import Held, SoakSettings, judged
from shortlist.console.errors import UsageError

BUNDLES = {"embedder": Path("e"), "reranker": Path("r")}
CHOSEN = SoakSettings(**BUNDLES, requests=100, first=10)
FIRST = Held(10, 200.0, 1.0)


@pytest.mark.parametrize(
    ("last", "failed", "passed"),
    [
        (Held(100, 205.9, 1.0), 0, True),
        (Held(100, 206.1, 1.0), 0, False),
        (Held(100, 190.0, 1.0), 1, True),
        (Held(100, 190.0, 1.0), 2, False),  # other requests than those that were meant to be sent
        (Held(60, 200.0, 1.0), 0, None),
    ],
)
def test_the_verdict(last, failed, passed):
    """Memory may grow by the share allowed, one request in a hundred may fail; an interrupted run has no verdict."""
    replies = [Reply("embed")] * (100 - failed) + [Reply("embed", status="INTERNAL")] * failed
    found = judged(replies, 1.0, FIRST, last, [], CHOSEN)
    assert found.passed is passed
    assert found.growth == pytest.approx(last.rss_mb / 200 - 1)
    assert found.errors == ({"INTERNAL": failed} if failed else {})


def test_interrupted_before_the_first():
    """Without a first look there is nothing to compare."""
    found = judged([Reply("embed")], 1.0, None, FIRST, [], CHOSEN)
    assert (found.growth, found.passed) == (None, None)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"first": 200_000}, "first is 200,000, but it must be above 0 and below requests"),
        ({"clients": 0}, 'Invalid value "0" for --clients.'),
        ({"ids": 1}, 'Invalid value "1" for --ids.'),
    ],
)
def test_bad_settings(given, told):
    """The setting, its value and the limit are named."""
    with pytest.raises(UsageError, match=told):
        parsed(SoakSettings, **BUNDLES, **given)
