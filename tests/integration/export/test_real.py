"""The demo's two models, exported: what the manifests say, and what int8 keeps of fp32 on passages.

That fp32 is what sentence-transformers computes, `server/test_parity.py` shows through the server.
"""

import json
from itertools import pairwise

import numpy as np
import pytest

import tiny_models
from shortlist.server.runtime import bundle
from shortlist.texts import shipped

PASSAGES = 60


@pytest.fixture(scope="module")
def passages() -> list[str]:
    """Return passages on many topics, of those that ship."""
    found = [entry.text for entry in shipped.entries()]
    return found[:: len(found) // PASSAGES][:PASSAGES]


def test_the_manifests_tell_the_models(bundles) -> None:
    """Window, dimensions, pooling and normalization are those of the models' own configurations."""
    embedder = bundle.load(bundles.embedder, "embedder").manifest
    assert (embedder.max_tokens, embedder.dimensions) == (256, 384)  # tokenizer.json would cut at 128
    assert (embedder.pooling, embedder.normalized) == ("mean", True)
    reranker = bundle.load(bundles.reranker, "reranker").manifest
    assert (reranker.max_tokens, reranker.dimensions, reranker.pooling) == (256, 0, "")  # its base's window
    assert (reranker.similarity_weight, reranker.similarity_center) == (
        7.54,
        0.472,
    )  # as the shortlist.json beside the weights recommends
    assert all(one.batch_invariant for both in (embedder, reranker) for one in both.variants.values())


def test_int8_keeps_directions(bundles, passages: list[str]) -> None:
    """int8-token's embeddings point where fp32's do: a cosine of 0.99 in the mean, and 0.97 at least."""
    found = bundle.load(bundles.embedder, "embedder")
    cosines = (tiny_models.outputs(found, passages, "int8-token") * tiny_models.outputs(found, passages)).sum(1)
    assert cosines.mean() > 0.99
    assert cosines.min() > 0.97


def test_int8_keeps_the_order(bundles, passages: list[str]) -> None:
    """Of all pairs of scores, int8-token orders 95 in 100 as fp32 does."""
    found = bundle.load(bundles.reranker, "reranker")
    pairs = [(passage.split(".")[0], other) for passage, other in pairwise(passages)]
    pairs += [(passage.split(".")[0], passage) for passage in passages]
    int8, fp32 = tiny_models.outputs(found, pairs, "int8-token"), tiny_models.outputs(found, pairs)
    upper = np.triu_indices(len(pairs), k=1)
    agree = np.sign(np.subtract.outer(int8, int8)[upper]) == np.sign(np.subtract.outer(fp32, fp32)[upper])
    assert agree.mean() > 0.95


def test_a_no_is_told_from_a_yes(bundles) -> None:
    """What says how stands before what says that it cannot be done, though that has more of the query's words."""
    found = bundle.load(bundles.reranker, "reranker")
    texts = ("Press Ctrl-C to stop the server.", "The server cannot be stopped.", "The server listens on port 50051.")
    pairs = [("how do I stop the server?", text) for text in texts]
    for variant in ("fp32", "int8-token"):
        logits = tiny_models.outputs(found, pairs, variant).ravel().tolist()
        assert logits == sorted(logits, reverse=True)


def test_the_articles_symptoms_come_first(bundles, shared_data) -> None:
    """The withdrawal symptoms are first and clear: the odds of their score are at least twice those of the next."""
    asked = json.loads((shared_data / "article-examples.json").read_text(encoding="utf-8"))["rerank"]
    found = bundle.load(bundles.reranker, "reranker")
    logits = tiny_models.outputs(found, [(asked["query"], text) for text in asked["documents"]], "int8-token").ravel()
    first, second = np.sort(logits)[::-1][:2]
    assert "withdrawal symptoms" in asked["documents"][int(logits.argmax())]
    assert first - second > np.log(2)
