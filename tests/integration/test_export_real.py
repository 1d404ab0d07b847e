"""Two trained models, exported: what fp32 and int8 compute on real texts, held against sentence-transformers."""

import json
from itertools import pairwise
from pathlib import Path

import models
import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

from shortlist.server import bundle

PASSAGES = 200


@pytest.fixture(scope="module")
def passages(shared_data: Path) -> list[str]:
    """Return SQuAD passages of many articles."""
    with (shared_data / "squad-dev" / "corpus.jsonl").open(encoding="utf-8") as stream:
        found = [json.loads(line)["text"] for line in stream]
    return found[:: len(found) // PASSAGES][:PASSAGES]


@pytest.fixture(scope="module")
def examples(shared_data: Path) -> list[tuple[str, list[str]]]:
    """Return the article's queries, each with its documents."""
    found = json.loads((shared_data / "article-examples.json").read_text(encoding="utf-8"))
    return [(example["query"], example["documents"]) for example in found.values()]


def test_embedder_on_real_passages(bundles, embedder_folder: Path, passages: list[str]) -> None:
    """all-MiniLM-L6-v2 exported embeds passages as sentence-transformers does; int8 keeps their directions."""
    found = bundle.load(bundles.embedder, "embedder")
    manifest = found.manifest
    assert (manifest.max_tokens, manifest.dimensions) == (256, 384)
    assert (manifest.pooling, manifest.normalized) == ("mean", True)
    expected = SentenceTransformer(str(embedder_folder), device="cpu").encode(passages)
    fp32 = models.outputs(found, passages)
    np.testing.assert_allclose(fp32, expected, atol=1e-6)
    assert (fp32 * expected).sum(1).min() >= 1 - 1e-5
    padded = models.outputs(found, passages[:32], batch=32)
    np.testing.assert_allclose(padded, expected[:32], atol=1e-6)
    int8 = models.outputs(found, passages, "int8")
    cosines = (int8 * expected).sum(1)
    assert cosines.mean() > 0.99
    assert cosines.min() > 0.97


def test_embedder_orders_the_articles_examples(bundles, embedder_folder: Path, examples) -> None:
    """On the article's examples documents come in the same order as from sentence-transformers."""
    reference = SentenceTransformer(str(embedder_folder), device="cpu")
    found = bundle.load(bundles.embedder)
    for query, documents in examples:
        expected = reference.encode(documents) @ reference.encode(query)
        vectors = models.outputs(found, [query, *documents])
        np.testing.assert_allclose(vectors[1:] @ vectors[0], expected, atol=1e-5)


def test_reranker_on_real_pairs(bundles, real_reranker: Path, examples, passages: list[str]) -> None:
    """The cross-encoder exported scores pairs as CrossEncoder does; int8 keeps most of their order."""
    found = bundle.load(bundles.reranker, "reranker")
    pairs = [(query, document) for query, documents in examples for document in documents]
    pairs += [(passage.split(".")[0], other) for passage, other in pairwise(passages[:61])]
    pairs += [(passage.split(".")[0], passage) for passage in passages[:60]]
    reference = CrossEncoder(str(real_reranker), device="cpu")
    expected = reference.predict(pairs, activation_fn=torch.nn.Sigmoid())

    def scores(variant: str) -> models.Floats:
        return 1 / (1 + np.exp(-models.outputs(found, pairs, variant)))

    np.testing.assert_allclose(scores("fp32"), expected, atol=1e-4)
    int8 = scores("int8")
    upper = np.triu_indices(len(pairs), k=1)
    agree = np.sign(np.subtract.outer(int8, int8)[upper]) == np.sign(np.subtract.outer(expected, expected)[upper])
    assert agree.mean() > 0.95


def test_int8_is_faster_and_fp32_is_batch_invariant(bundles) -> None:
    """The manifests' own figures: int8 takes less time a token, and only fp32 is blind to its batch-mates."""
    for path in (bundles.embedder, bundles.reranker):
        variants = bundle.load(path).manifest.variants
        assert variants["int8"].parity["ns_per_token"] < variants["fp32"].parity["ns_per_token"]
        assert variants["fp32"].batch_invariant
        assert not variants["int8"].batch_invariant
