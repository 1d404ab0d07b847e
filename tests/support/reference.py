"""What sentence-transformers computes of a model's folder, for bundles to be held against."""

from pathlib import Path

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

import tiny_models
from shortlist.export import texts
from shortlist.server.runtime.bundle import Bundle

QUERIES, PASSAGES = zip(*texts.questions_and_passages()[::4], strict=True)
PAIRS = texts.pairs()[::6]
# fp32 sums in another order, no more.
ELEMENT_TOLERANCE = 2e-6
SCORE_TOLERANCE = 1e-5


def assert_embeds_like(folder: Path, bundle: Bundle, prefixes: tuple[str | None, str | None] = (None, None)) -> None:
    """Compare queries and passages with sentence-transformers, in the graph alone and in padded batches.

    `prefixes` are those that no file of the model names; without them the model's own prompts count.
    """
    original = SentenceTransformer(str(folder), device="cpu")
    manifest = bundle.manifest
    assert original.max_seq_length == manifest.max_tokens
    assert original.get_embedding_dimension() == manifest.dimensions
    for prefix, items, expected in (
        (manifest.query_prefix, QUERIES, original.encode_query(list(QUERIES), prompt=prefixes[0])),
        (manifest.document_prefix, PASSAGES, original.encode_document(list(PASSAGES), prompt=prefixes[1])),
    ):
        for batch in (1, 5):
            found = tiny_models.outputs(bundle, [prefix + item for item in items], batch=batch)
            scale = np.linalg.norm(expected, axis=1).max()
            np.testing.assert_allclose(found, expected, atol=ELEMENT_TOLERANCE * scale)
            cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
            assert cosines.min() >= 1 - 1e-5


def scores(folder: Path) -> tiny_models.Floats:
    """Score the pairs with sentence-transformers: a sigmoid of one logit, or the softmax of two."""
    original = CrossEncoder(str(folder), device="cpu")
    if original.num_labels == 1:
        return np.asarray(original.predict(PAIRS, activation_fn=torch.nn.Sigmoid()))
    return np.asarray(original.predict(PAIRS, apply_softmax=True))


def bundle_scores(bundle: Bundle, batch: int = 1, variant: str = "fp32") -> tiny_models.Floats:
    """Score the pairs with a bundle."""
    return 1 / (1 + np.exp(-tiny_models.outputs(bundle, PAIRS, variant, batch=batch)))
