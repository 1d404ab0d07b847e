"""Bundles held against what sentence-transformers, which the models' authors use, makes of the same folder."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

import tiny_models
from shortlist.export.texts import ODD
from shortlist.server import fusion
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.manifest import TextKind, prefixed
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Tokenizer

LONG = " ".join(f"the press of {number} printed paper" for number in range(60))
TEXTS = ["Who printed the first book", "the OLD paper", LONG, *ODD]
PAIRS = [(query, document) for query in ("who printed the book", LONG) for document in TEXTS]
IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"


def export(folder: Path, tmp_path: Path, **settings: Any) -> Bundle:
    """Export fp32 alone."""
    return tiny_models.export(folder, tmp_path / "bundle", **settings)


def numbers(bundle: Bundle, kind: TextKind = "document") -> tiny_models.Floats:
    """Return what the server makes of the texts, or of the pairs: its own tokenizer, prefixes and graph."""
    tokens, graph = Tokenizer(bundle), Graph(bundle, "fp32", Target(), 0)
    if bundle.manifest.kind == "reranker":
        items = [item for query, document in PAIRS for item in tokens.encode_pairs(query, [document])]
        return np.concatenate([graph.run([item]) for item in items])[:, 0]
    items = tokens.encode(prefixed(bundle.manifest, TEXTS, kind))
    return np.concatenate([graph.run([item]) for item in items])


def scores(logits: tiny_models.Floats) -> tiny_models.Floats:
    """Return a reranker's scores as the server makes them of its logits."""
    return fusion.scores(logits).astype(np.float32)


def assert_embeds(folder: Path, bundle: Bundle) -> None:
    """Compare both kinds of text with sentence-transformers on the folder, each text alone."""
    original = SentenceTransformer(str(folder), device="cpu")
    expected = original.encode_query(TEXTS, batch_size=1)
    np.testing.assert_allclose(numbers(bundle, "query"), expected, atol=1e-5 * np.abs(expected).max())
    expected = original.encode_document(TEXTS, batch_size=1)
    np.testing.assert_allclose(numbers(bundle), expected, atol=1e-5 * np.abs(expected).max())


def assert_predicts(folder: Path, bundle: Bundle) -> None:
    """Compare scores with CrossEncoder.predict on the folder, under a sigmoid, each pair alone."""
    original = CrossEncoder(str(folder), device="cpu")
    expected = original.predict(PAIRS, batch_size=1, activation_fn=torch.nn.Sigmoid())
    assert np.ptp(expected) > 0.02, "scores that are all the same prove nothing"
    np.testing.assert_allclose(scores(numbers(bundle)), expected, atol=1e-5)


def reranker(tmp_path: Path, family: str = "bert", names: tuple[str, ...] = ("LABEL_0",)) -> Path:
    """Make a cross-encoder."""
    return tiny_models.encoder(tmp_path / "model", family, labels=names)


def saved_cross_encoder(tmp_path: Path) -> Path:
    """Make a cross-encoder with the files that sentence-transformers writes."""
    CrossEncoder(str(reranker(tmp_path)), device="cpu").save_pretrained(
        str(tmp_path / "saved"), create_model_card=False
    )
    return tmp_path / "saved"
