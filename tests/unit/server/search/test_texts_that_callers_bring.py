"""Embed and rerank of texts that the caller brings: what is cut, what is counted, what is told beside the order."""

import time

import numpy as np
import pytest

from shortlist.server.errors import DeadlineExceeded, InvalidRequest, TooLong
from shortlist.server.search.pipeline import Pipeline
from two_stages import DOCUMENTS

WORDS = [f"word{number}" for number in range(900)]
LONG = " ".join(WORDS)
QUERY = "the tide"
WORDS_OF_DOCUMENTS = [word for document in DOCUMENTS for word in document.text.split()]


def soon() -> float:
    """Return a deadline that is far enough away."""
    return time.monotonic() + 60


async def test_the_side_that_is_cut_off(pipeline: Pipeline):
    """A vector is that of the side that is kept; the end is cut where nothing is said."""
    tokenizer = pipeline.embedder.tokenizer
    words = [word for word in WORDS_OF_DOCUMENTS if len(tokenizer.ends([word])[0]) == 1]
    long, room = " ".join(words), tokenizer.max_tokens - 2  # the special tokens
    first, last = " ".join(words[:room]), " ".join(words[-room:])
    assert first != last
    texts = {None: first, "end": first, "start": last}
    for truncation, text in texts.items():
        made = await pipeline.embed([long], "document", soon(), truncation=truncation)
        alone = await pipeline.embed([text], "document", soon(), truncation="none")
        np.testing.assert_array_equal(made.values, alone.values)
        assert (made.truncated.tolist(), alone.truncated.tolist()) == ([True], [False])
        assert made.tokens.tolist() == alone.tokens.tolist() == [tokenizer.max_tokens]


async def test_pairs_lose_the_side_that_is_asked_for(pipeline: Pipeline):
    """Two texts that differ in their ends alone score the same where the end is cut, and not where the start is."""
    texts = [f"{LONG} alpha beta gamma", f"{LONG} delta omega sigma"]
    ended = await pipeline.rerank(QUERY, texts, soon(), truncation="end")
    assert ended.results[0].logit == ended.results[1].logit
    started = await pipeline.rerank(QUERY, texts, soon(), truncation="start")
    assert started.results[0].logit != started.results[1].logit
    assert (ended.truncated, started.truncated) == (2, 2)


async def test_nothing_is_cut_where_that_is_refused(pipeline: Pipeline):
    """With truncation none the first text that does not fit is named with the window, and short ones are read."""
    window = pipeline.embedder.tokenizer.max_tokens
    with pytest.raises(TooLong, match=rf"^texts\[40\]: got .* the model reads {window} tokens, .* be truncated$"):
        await pipeline.embed(["one"] * 40 + [LONG], "document", soon(), truncation="none")
    with pytest.raises(TooLong, match=r"^texts\[0\]: "):
        await pipeline.embed([LONG], "query", soon(), truncation="none")
    with pytest.raises(TooLong, match=r"^documents\[1\]: got 'word0 .* be truncated$"):
        await pipeline.rerank(QUERY, ["one", LONG], soon(), truncation="none")
    with pytest.raises(TooLong, match=r"^query: got 'word0 .* be truncated$"):
        await pipeline.rerank(LONG, ["one", "two"], soon(), truncation="none")
    read = await pipeline.rerank(QUERY, ["one", "two"], soon(), truncation="none")
    assert read.truncated == 0


async def test_a_query_that_was_cut_is_no_answer_to_one_that_may_not_be(pipeline: Pipeline):
    """What is remembered of a query that was cut is not taken for one that asks for another side, or for none."""
    await pipeline.embed([LONG], "query", soon())
    with pytest.raises(TooLong):
        await pipeline.embed([LONG], "query", soon(), truncation="none")
    whole = await pipeline.embed([LONG], "query", soon())
    last = await pipeline.embed([LONG], "query", soon(), truncation="start")
    assert not np.array_equal(whole.values, last.values)


async def test_tokens_are_counted(pipeline: Pipeline):
    """Token counts are those of what the models read, special tokens included."""
    texts = ["one", "the tide follows the moon"]
    made = await pipeline.embed(texts, "document", soon())
    assert made.tokens.tolist() == [len(one) for one in pipeline.embedder.tokenizer.encode(texts)]
    ranked = await pipeline.rerank(QUERY, texts, soon())
    assert ranked.tokens.tolist() == [len(one) for one in pipeline.scorer.tokenizer.encode_pairs(QUERY, texts)]


async def test_vectors_of_fewer_dimensions(pipeline: Pipeline):
    """Cut vectors are the first elements, of length 1 again; more than there are, or none, are refused."""
    whole = (await pipeline.embed(["one", "two"], "document", soon())).values
    made = await pipeline.embed(["one", "two"], "document", soon(), dimensions=5)
    first = whole[:, :5]
    np.testing.assert_allclose(made.values, first / np.linalg.norm(first, axis=1, keepdims=True), rtol=1e-6)
    for dimensions in (0, whole.shape[1] + 1):
        with pytest.raises(InvalidRequest, match=f"^dimensions: got {dimensions}, but it must be 1 to"):
            await pipeline.embed(["one"], "document", soon(), dimensions=dimensions)


async def test_logits_stand_beside_scores(pipeline: Pipeline):
    """A score is the sigmoid of its logit, and the order falls by it."""
    ranked = await pipeline.rerank(QUERY, [" ".join(WORDS[start : start + 9]) for start in range(20)], soon())
    logits = np.array([one.logit for one in ranked.results])
    np.testing.assert_allclose([one.score for one in ranked.results], 1 / (1 + np.exp(-logits)), rtol=1e-9)
    assert (np.diff(logits) <= 0).all()


@pytest.mark.parametrize("truncation", ["end", "start"])
async def test_documents_are_cut_to_so_many_tokens(pipeline: Pipeline, truncation: str):
    """A document of which so many tokens are read scores as that part of it, and counts as truncated."""
    text = " ".join(WORDS[:60])
    part = " ".join(WORDS[:10] if truncation == "end" else WORDS[50:60])
    most = len(pipeline.scorer.tokenizer.ends([part])[0])
    cut = await pipeline.rerank(QUERY, [text], soon(), truncation=truncation, document_tokens=most)
    alone = await pipeline.rerank(QUERY, [part], soon(), truncation=truncation, document_tokens=most)
    assert cut.results == alone.results
    assert (cut.truncated, alone.truncated) == (1, 0)
    with pytest.raises(InvalidRequest, match=r"^max_document_tokens: got 0, but it must be 1 or more"):
        await pipeline.rerank(QUERY, [text], soon(), document_tokens=0)


async def test_an_answer_that_must_be_whole(pipeline: Pipeline):
    """Where not all can be scored by the deadline the call fails if it must be whole, and else tells which were."""
    texts, over = ["one", "two", "three"], time.monotonic() - 1
    part = await pipeline.rerank(QUERY, texts, over)
    assert (part.reranked, part.degraded) == (0, "deadline")
    with pytest.raises(DeadlineExceeded, match=r"^this takes about \d+ ms, but 0 ms are left; allow more time"):
        await pipeline.rerank(QUERY, texts, over, whole=True)
