"""Every refusal names field, value, limit and remedy, whatever kind of request it is of."""

from collections.abc import Callable

import pytest

from shortlist.server.errors import InvalidRequest, TooLarge
from shortlist.server.search import request_checks
from shortlist.server.search.limits import (
    MAX_ANSWER_BYTES,
    Limits,
)
from shortlist.server.search.query import Query
from shortlist.server.settings import Settings
from shortlist.server.storage.document import Document

LIMITS = Limits.of(Settings(max_top_k=20, max_candidates=100, max_batch=3, max_text_bytes=50))


def search(text: str = "query", **asked: object) -> None:
    """Check a search that is sound but for what is said."""
    request_checks.search(LIMITS, Query(collection="c", text=text, deadline=0.0, **asked))


def tokenize(texts: list[str], model: str = "reranker", query: str = "", *, ends_only: bool = False) -> None:
    """Check a request for tokens."""
    request_checks.tokenize(LIMITS, texts, model, query, ends_only=ends_only)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: search(""), r"query: got '', but it must hold more than white space; send the text"),
        (lambda: search(" \n\t"), r"query: got ' \\n\\t', but it must hold more"),
        (lambda: search("é" * 26), r"query: .*\(52 bytes\).*limit is 50 bytes; cut it"),
        (lambda: search(top_k=0), r"top_k: got 0, but it must be 1 to 20 hits; give at least 1"),
        (lambda: search(top_k=21), r"top_k: got 21, but it must be 1 to 20 hits; ask for fewer, or raise max_top_k"),
        (lambda: search(candidates=5), r"candidates: got 5, but it must be top_k \(10\) or more; raise"),
        (lambda: search(candidates=101), r"candidates: got 101, but it must be 1 to 100 documents"),
        (
            lambda: search(rerank_candidates=0),
            r"rerank_candidates: got 0, but it must be 1 to 100 documents; give at",
        ),
        (
            lambda: search(candidates=20, rerank_candidates=21),
            r"rerank_candidates: got 21, but it must be 1 to 20 documents; .* ask for fewer, or for more candidates",
        ),
        (
            lambda: search(mode="two-stage", rerank_candidates=5),
            r"rerank_candidates: got 5, but it is of MODE_CASCADE and MODE_AUTO; use one of them, or leave",
        ),
        (lambda: search(similarity_weight=101), r"similarity_weight: got 101, but a weight is from 0 to 100; send 0"),
        (lambda: search(margin=2.5), r"margin: got 2.5, but a difference of cosines is from 0 to 2; send 2"),
        (lambda: request_checks.page(LIMITS, 0), r"page_size: got 0, but it must be 1 to 3 documents"),
        (lambda: request_checks.embed(LIMITS, [], 2), r"texts: got \[\], but at least one"),
        (lambda: request_checks.embed(LIMITS, ["a", ""], 2), r"texts\[1\]: got ''"),
        (lambda: request_checks.rerank(LIMITS, "q", ["a", " "], None), r"documents\[1\]: got ' '"),
        (lambda: request_checks.rerank(LIMITS, "", ["a"], None), r"query: got ''"),
        (lambda: request_checks.rerank(LIMITS, "q", ["a"], 21), r"top_k: got 21"),
        (lambda: tokenize([]), r"texts: got \[\]"),
        (lambda: tokenize(["a"], query=" "), r"query: got ' '"),
        (lambda: tokenize(["a"], query="q", ends_only=True), r"query: got 'q', but ends_only is about texts alone"),
        (lambda: tokenize(["a"], "embedder", "q"), r"query: got 'q', .* set model to MODEL_RERANKER"),
        (lambda: tokenize(["a"], "late-interaction", "q"), r"query: got 'q', .* set model to MODEL_RERANKER"),
        (lambda: request_checks.predict(LIMITS, []), r"inputs: got \[\], but at least one is needed"),
        (
            lambda: request_checks.predict(LIMITS, [["a"], []]),
            r"inputs\[1\]: got \[\], but it must be one text, or two",
        ),
        (lambda: request_checks.predict(LIMITS, [["a", "b", "c"]]), r"inputs\[0\]: .*one text, or two of them; send"),
        (lambda: request_checks.predict(LIMITS, [["a", " "]]), r"inputs\[0\]\[1\]: .*more than white space"),
        (lambda: request_checks.rank_stream(LIMITS, 4, 0), r"texts: got 4, but it must be 1 to 3 entries"),
        (
            lambda: request_checks.rank_stream(LIMITS, 1, MAX_ANSWER_BYTES + 1),
            r"an answer holds .*; send less at once",
        ),
        (
            lambda: request_checks.pieces(LIMITS, ["é" * 20, "a" * 20]),
            r"2 texts of 60 bytes', but .* 50 bytes at most",
        ),
        (lambda: request_checks.decode(LIMITS, [[1], []]), r"ids\[1\]: got \[\], but at least one is needed"),
        (lambda: request_checks.decode(LIMITS, [[1, -1]]), r"ids\[0\]: got -1, but the number of a token is from 0"),
        (lambda: request_checks.decode(LIMITS, [[2**32]]), r"ids\[0\]: got 4294967296, but the number"),
    ],
)
def test_refused(check: Callable[[], None], message: str):
    """Values outside their limits are refused with all four parts of the message."""
    with pytest.raises(InvalidRequest, match=message):
        check()


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            lambda: request_checks.embed(LIMITS, ["a"] * 4, 2),
            r"texts: got 4, but it must be 1 to 3 entries; send them in",
        ),
        (
            lambda: request_checks.embed(LIMITS, ["a"], MAX_ANSWER_BYTES),
            r"texts: got '1 texts of 251,658,240 bytes', but an ",
        ),
        (
            lambda: request_checks.documents_answer(7, MAX_ANSWER_BYTES + 1),
            r"ids: got '7 documents of 62,914,561 bytes', but",
        ),
    ],
)
def test_too_much_for_one_call(check: Callable[[], None], message: str):
    """What smaller calls would mend is a refusal of its own kind."""
    with pytest.raises(TooLarge, match=message):
        check()


@pytest.mark.parametrize("name", ["", "A", "-a", "a/b", "..", "a.b", "é", "a" * 65, "a\n"])
def test_names_that_are_not_allowed(name: str):
    """Names that could leave the data folder, or differ by case alone, are refused."""
    with pytest.raises(InvalidRequest, match="name: got"):
        request_checks.create(name)


@pytest.mark.parametrize("target", [-1, 0, 0.49, 1.01, 99, float("nan")])
def test_targets_that_are_no_share(target: float):
    """A recall to hold is a share, and a per cent is none."""
    with pytest.raises(InvalidRequest, match=r"recall_target: got .* is from 0\.5 to 1; leave it out"):
        request_checks.recall_target(target)


@pytest.mark.parametrize(
    ("carried", "size", "refused"),
    [
        ({"include_text": True}, 100, True),
        ({"include_text": True}, 99, False),
        ({"include_metadata": True}, 100, False),
        ({}, 100, False),
        ({"include_text": True, "include_vectors": True}, 0, True),
        ({"include_vectors": True}, 100, False),
    ],
)
def test_hits_that_no_answer_holds(
    monkeypatch: pytest.MonkeyPatch, carried: dict[str, bool], size: int, refused: bool
):
    """Whichever `top_k` of the candidates the hits will be, an answer must hold them, with what they carry."""
    monkeypatch.setattr(request_checks, "MAX_ANSWER_BYTES", 250)
    found = [Document("a", "x"), *(Document("b", "é" * (size // 2) + "x" * (size % 2), "t" * 26) for _ in range(2))]
    query = Query(collection="c", text="q", deadline=0.0, top_k=2, **carried)
    if not refused:
        request_checks.hits_answer(query, found, 25)
        return
    with pytest.raises(
        TooLarge, match=r"^top_k: got '2 documents of 252 bytes', but an answer holds 250; ask for few"
    ):
        request_checks.hits_answer(query, found, 25)


def test_the_limits_themselves_are_allowed():
    """Each limit is the largest value that passes."""
    search("é" * 25, top_k=20, candidates=100, margin=2.0, similarity_weight=100.0)
    request_checks.embed(LIMITS, ["a"] * 3, MAX_ANSWER_BYTES // 4 // 3)
    request_checks.create("a" * 64)
    request_checks.recall_target(0.5)
    request_checks.recall_target(1.0)
