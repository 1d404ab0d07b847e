"""Pieces of real texts: how passages are cut, and that what was embedded once is kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from shortlist.bench.studies import models, pieces
from shortlist.server.app import Components

PASSAGES = (
    "The river runs from the hills to the sea. It is long; in spring, when the snow melts, it is wide as well.",
    "The  RIVER runs from the hills to the sea. Too short. A boat takes a week from one end to the other.",
    "   ",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a collection's folder."""
    lines = [json.dumps({"_id": str(number), "text": text}) for number, text in enumerate(PASSAGES)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_passages_are_cut_in_several_ways(folder: Path):
    """Sentences first, then clauses, then neighbours together; none twice, none of a few words."""
    found = [piece.text for piece in pieces.cut([folder])]
    assert sorted(found[:3]) == [
        "A boat takes a week from one end to the other.",
        "It is long; in spring, when the snow melts, it is wide as well.",
        "The river runs from the hills to the sea.",
    ]
    assert sorted(found[3:]) == [
        "It is long; in spring,",
        "The RIVER runs from the hills to the sea. Too short.",
        "The river runs from the hills to the sea. It is long;",
        "The river runs from the hills to the sea. It is long; in spring, when the snow melts, it is wide as well.",
        "Too short. A boat takes a week from one end to the other.",
        "in spring, when the snow melts,",
        "when the snow melts,",
        "when the snow melts, it is wide as well.",
    ]
    assert found == [piece.text for piece in pieces.cut([folder])]
    boat = pieces.Piece("A boat takes a week from one end to the other.", folder.name, "1")
    assert boat in pieces.cut([folder])


def test_what_was_embedded_is_kept(components: Components, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Vectors are the server's own, at length 1, and come from the folder the second time, for fewer too."""
    monkeypatch.setattr(pieces, "_SHARD", 4)
    model, texts = components.pipeline.embedder, [piece.text for piece in pieces.cut([folder])]
    expected, tokens = models.embedded(model, texts[:6], "document")
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = pieces.embedded(model, texts, 6, folder / "kept")
    np.testing.assert_allclose(found.vectors, expected, atol=1e-3)  # float16
    assert (found.texts, found.tokens) == (texts[:6], tokens)
    assert len(list((folder / "kept").glob("pieces-*.npz"))) == 2
    monkeypatch.setattr(model.graph, "run", None)
    for count in (6, 3):
        again = pieces.embedded(model, texts, count, folder / "kept")
        np.testing.assert_array_equal(again.vectors, found.vectors[:count])
        assert again.tokens == tokens[:count]
