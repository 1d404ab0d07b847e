"""Every refusal names field, value, limit and remedy."""

from collections.abc import Callable

import pytest

from shortlist.server.errors import InvalidRequest
from shortlist.server.search.limits import MAX_ID_BYTES, MAX_METADATA_BYTES, MAX_TITLE_BYTES, Limits
from shortlist.server.settings import Settings
from shortlist.server.storage.document import Document

LIMITS = Limits.of(Settings(max_top_k=20, max_candidates=100, max_batch=3, max_text_bytes=50))


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: LIMITS.text("query", ""), r"query: got '', but it must hold more than white space; send the text"),
        (lambda: LIMITS.text("query", " \n\t"), r"query: got ' \\n\\t', but it must hold more"),
        (lambda: LIMITS.text("query", "é" * 26), r"query: .*\(52 bytes\).*limit is 50 bytes; cut it"),
        (lambda: LIMITS.texts("texts", []), r"texts: got \[\], but at least one"),
        (lambda: LIMITS.texts("texts", ["a"] * 4), r"texts: got 4, but it must be 1 to 3 entries; send them in"),
        (lambda: LIMITS.texts("texts", ["a", ""]), r"texts\[1\]: got ''"),
        (lambda: LIMITS.top_k(0), r"top_k: got 0, but it must be 1 to 20 hits; give at least 1"),
        (lambda: LIMITS.top_k(21), r"top_k: got 21, but it must be 1 to 20 hits; ask for fewer, or raise max_top_k"),
        (lambda: LIMITS.candidates(5, top_k=10), r"candidates: got 5, but it must be top_k \(10\) or more; raise"),
        (lambda: LIMITS.candidates(101, top_k=10), r"candidates: got 101, but it must be 1 to 100 documents"),
        (lambda: LIMITS.page_size(0), r"page_size: got 0, but it must be 1 to 3 documents"),
        (lambda: LIMITS.ids([""]), r"ids\[0\]: got '', but an id must not be empty"),
        (lambda: LIMITS.ids(["x" * (MAX_ID_BYTES + 1)]), r"ids\[0\]: .*\(513 bytes\).*limit is 512 bytes"),
    ],
)
def test_refused(check: Callable[[], None], message: str):
    """Values outside their limits are refused with all four parts of the message."""
    with pytest.raises(InvalidRequest, match=message):
        check()


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], r"documents: got \[\]"),
        ([Document("a", "x")] * 4, r"documents: got 4"),
        ([Document("", "x")], r"documents\[0\]\.id: got ''"),
        ([Document("a\0b", "x")], r"documents\[0\]\.id: .*NUL"),
        ([Document("a", "x"), Document("a", "y")], r"documents\[1\]\.id: got 'a', but documents\[0\] has the same"),
        ([Document("a", "x"), Document("b", "")], r"documents\[1\]\.text: got ''"),
        ([Document("a", "x" * 51)], r"documents\[0\]\.text: .*\(51 bytes\).*limit is 50 bytes"),
        ([Document("a", "x", title="t" * (MAX_TITLE_BYTES + 1))], r"documents\[0\]\.title: .*\(4097 bytes\)"),
        ([Document("a", "x", metadata="m" * (MAX_METADATA_BYTES + 1))], r"documents\[0\]\.metadata: .*65536 bytes"),
    ],
)
def test_documents_refused(documents: list[Document], message: str):
    """A document outside its limits is refused by its place in the request."""
    with pytest.raises(InvalidRequest, match=message):
        LIMITS.documents(documents)


def test_the_limits_themselves_are_allowed():
    """Each limit is the largest value that passes."""
    LIMITS.text("query", "é" * 25)
    LIMITS.top_k(20)
    LIMITS.candidates(100, top_k=20)
    LIMITS.ids(["x" * MAX_ID_BYTES] * 3)
    LIMITS.documents([Document("a", "x" * 50, title="t" * MAX_TITLE_BYTES, metadata="m" * MAX_METADATA_BYTES)])
