"""TEI's meanings: orders, cuts, prompts, and what is told of the time that a request took."""

import time

import numpy as np
import pytest
from msgspec import structs

from shortlist.server.app import Components
from shortlist.server.errors import InvalidRequest, Overloaded
from shortlist.server.inference.result import Spent
from shortlist.server.tei import models, usage
from shortlist.server.tei.models import Cut, Models
from shortlist.server.tei.usage import Usage

WHOLE = Cut(truncate=True)


@pytest.fixture
def served(components: Components) -> Models:
    """Return the tiny models as TEI speaks of them."""
    return Models(components.pipeline, "reranker", 4800)


def soon() -> float:
    """Return a deadline that is far enough away."""
    return time.monotonic() + 60


def test_equal_scores_stand_in_reverse():
    """Scores fall; those that are equal, after the sigmoid too, come in reverse order of the request."""
    logits = np.array([1, 3, 1, 200, 300, 1], np.float32)
    assert [rank.index for rank in models.ranks(logits, raw_scores=False)] == [4, 3, 1, 5, 2, 0]
    by_logit = np.array([200, 300, 200], np.float32)
    assert [rank.index for rank in models.ranks(by_logit, raw_scores=True)] == [1, 2, 0]
    assert [rank.index for rank in models.ranks(by_logit, raw_scores=False)] == [2, 1, 0]  # all are 1 by then


@pytest.mark.parametrize(
    ("cut", "truncation"),
    [(Cut(truncate=False), "none"), (Cut(truncate=True), "end"), (Cut(truncate=True, direction="left"), "start")],
)
def test_the_end_that_is_cut_off(cut: Cut, truncation: str):
    """TEI names the side that loses tokens: right is the text's end."""
    assert cut.truncation == truncation


async def test_pairs_and_texts_in_one_batch(served: Models):
    """Each input of a mixed batch gets what it gets alone, in the order of the request, and tokens of all count."""
    inputs = [["a", "b c"], ["the press"], ["a", "d"], ["e f", "g"], ["the river"]]
    logits, took = await served.predict(inputs, WHOLE, soon())
    alone = [await served.predict([each], WHOLE, soon()) for each in inputs]
    np.testing.assert_allclose(logits, [one[0] for one, _ in alone], atol=1e-5)
    assert took.tokens == sum(each.tokens for _, each in alone)
    assert took.characters == sum(len(text) for each in inputs for text in each)


async def test_an_input_at_fault_is_named_by_its_place(served: Models):
    """In a batch of several jobs the index is that of the request."""
    long = "word " * 500
    with pytest.raises(InvalidRequest, match=r"^inputs\[3\]: "):
        await served.predict([["a", "b"], ["c"], ["a", "d"], ["a", long]], Cut(truncate=False), soon())
    with pytest.raises(InvalidRequest, match=r"^inputs\[1\]: "):
        await served.predict([["a", "b"], [long]], Cut(truncate=False), soon())


async def test_similarity_is_the_cosine(served: Models):
    """A sentence that is the source is as near as can be."""
    cosines, _ = await served.similarity("the river", ["the press", "the river"], WHOLE, soon())
    assert cosines[1] == pytest.approx(1, abs=1e-6)
    assert cosines[0] < 0.999


async def test_rerank_waits_where_the_queue_is_full(served: Models, monkeypatch: pytest.MonkeyPatch):
    """Rerank takes its turn where embeddings are refused."""
    pipeline = served._pipeline
    for name in ("rerank", "embed"):
        monkeypatch.setattr(pipeline, name, _full_once(getattr(pipeline, name)))
    ranks, _ = await served.rerank("a", ["b", "c"], WHOLE, soon())
    assert len(ranks) == 2
    with pytest.raises(Overloaded):
        await served.embed(["a"], WHOLE, soon())


def _full_once(call):
    asked = []

    async def ask(*given, **named):
        asked.append(given)
        if len(asked) == 1:
            raise Overloaded("the queue is full", 1)
        return await call(*given, **named)

    return ask


async def test_a_prompt_is_a_prefix(served: Models, components: Components, monkeypatch: pytest.MonkeyPatch):
    """A prompt's name puts the bundle's prefix before a text, and counts as no characters; no name puts none."""
    embedder = components.pipeline.embedder
    prefixed = structs.replace(embedder._manifest, query_prefix="the ", document_prefix="of ")
    monkeypatch.setattr(embedder, "_manifest", prefixed)
    plain = {text: (await served.embed([text], WHOLE, soon()))[0] for text in ("river", "the river", "of river")}
    assert not np.allclose(plain["river"], plain["the river"])
    for name, text in (("query", "the river"), ("document", "of river"), ("passage", "of river")):
        found, took = await served.embed(["river"], WHOLE, soon(), prompt_name=name)
        np.testing.assert_array_equal(found, plain[text])
        assert took.characters == len("river")
        (tokens,) = await served.tokenize(["river"], "embedder", add_special_tokens=False, prompt_name=name)
        assert (tokens[0].text, tokens[0].start) == (text.split()[0], 0)


async def test_prompts_are_the_embedders(served: Models):
    """A prompt decides the prefix; a reranker has none, and an unknown one names those that there are."""
    with pytest.raises(InvalidRequest, match=r"^prompt_name: got 'title', but .* query, document, passage; leave it"):
        await served.embed(["a"], WHOLE, soon(), prompt_name="title")
    with pytest.raises(InvalidRequest, match=r"^prompt_name: got 'query', but a reranker has no prompts"):
        await served.tokenize(["a"], "reranker", add_special_tokens=True, prompt_name="query")


@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_descriptions(served: Models, kind: str):
    """Either model is described, with limits that TEI's clients read."""
    told = served.describe(kind)
    assert (told.kind, told.model_dtype, told.max_client_batch_size) == (kind, "fp32", 1000)
    assert (told.max_input_length, told.max_concurrent_requests) == (48, 100)
    assert told.max_batch_tokens >= told.max_input_length


def test_what_several_jobs_took():
    """Counts add up, times in the models are means, and the whole time is the caller's."""
    parts = [Usage(10, 3, Spent(1.0, 2.0, 3.0), 9.0), Usage(20, 5, Spent(3.0, 0.0, 1.0), 9.0)]
    assert usage.together(parts, 4.0) == Usage(30, 8, Spent(2.0, 1.0, 2.0), 4.0)


def test_headers_are_whole_milliseconds():
    """What a request took is told by TEI's names."""
    told = dict(usage.headers(Usage(10, 3, Spent(0.0011, 0.0, 0.25), 0.3004), "cpu"))
    assert told == {
        "x-compute-type": "cpu",
        "x-compute-characters": "10",
        "x-compute-tokens": "3",
        "x-compute-time": "300",
        "x-total-time": "300",
        "x-tokenization-time": "1",
        "x-queue-time": "0",
        "x-inference-time": "250",
    }
