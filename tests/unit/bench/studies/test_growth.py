"""The measurement of growth: what is near, and what is put between."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from parsed import parsed
from shortlist.bench.studies import boilerplate, recall
from shortlist.bench.studies.growth import GrowthSettings
from shortlist.bench.studies.lengths import Cutter
from shortlist.console.errors import UsageError
from shortlist.server.runtime import bundle
from shortlist.server.storage import database, unit_vectors
from shortlist.server.storage.document import Document, Origin
from shortlist.server.storage.documents import Documents

GIVEN = {"embedder": Path("e"), "reranker": Path("r"), "load": "dense", "collection_folder": Path("c")}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"load": "rerank"}, "load is rerank, but only a search meets the documents"),
        ({"sizes": ("1k",)}, 'Invalid value for --sizes: unable to convert "1k" into int.'),
        ({"sizes": (0,)}, 'Invalid value "(0,)" for --sizes. Must be 1 to 100000000.'),
        ({"clients": (2000,)}, 'Invalid value "(2000,)" for --clients. Must be 1 to 1000.'),
        ({"window_s": float("nan")}, 'Invalid value for --window-s: unable to convert "nan" into float.'),
        ({"recall_queries": 0}, 'Invalid value "0" for --recall-queries. Must be 1 or more.'),
    ],
)
def test_bad_settings(given, told):
    """The setting, its value and the limit are named."""
    with pytest.raises(UsageError) as caught:
        parsed(GrowthSettings, **GIVEN | given)
    assert told in str(caught.value)


def test_a_server_of_its_own():
    """Without bundles there is no server whose collection could grow."""
    with pytest.raises(UsageError, match="embedder and reranker are not set"):
        parsed(GrowthSettings, load="dense", collection_folder=Path("c"))


def test_documents_come_from_somewhere():
    """Without a judged collection there are no passages to cut."""
    with pytest.raises(UsageError, match="folders and collection-folder are not set: name collections to cut"):
        parsed(GrowthSettings, embedder=Path("e"), reranker=Path("r"), load="dense")


def test_the_nearest_are_those_of_all(tmp_path, monkeypatch):
    """Comparing block by block finds what one comparison with all documents finds: the least angles, any length."""
    monkeypatch.setattr(recall, "_BLOCK", 7)
    rng = np.random.default_rng(1)
    documents = [Document(str(number), f"text {number}") for number in range(90)]
    vectors = rng.standard_normal((90, 16), dtype=np.float32) * rng.uniform(0.2, 5, (90, 1)).astype(np.float32)
    path = tmp_path / "documents.sqlite"
    database.create(path, Origin("model", "f00d", 16), created_at=0.0)
    rows = Documents(path)
    with rows.writing() as change:
        change.replace(documents, vectors, unit_vectors.of(vectors).keys, [1] * 90)
    rows.close()
    queries = rng.standard_normal((3, 16), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    wanted = -np.sort(-(queries @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T), axis=1)[:, :50]
    np.testing.assert_allclose(recall.nearest(path, queries), wanted, atol=1e-3)  # both sides are float16 inside


def test_texts_have_the_tokens_asked_for(tiny):
    """Cut texts have as many tokens as asked for, or as there are, and come from all over."""
    path = bundle.load(tiny.embedder).tokenizer
    passages = ["the river runs between the hills", "where is the longest river", "no hill is as high as this"]
    cutter, tokenizer = Cutter(path, passages, seed=1), Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    for tokens in (1, 4, 9):
        texts = [cutter.cut(tokens) for _ in range(20)]
        lengths = [len(tokenizer.encode(text, add_special_tokens=False)) for text in texts]
        # A cut within a word may make a piece more or less at either end.
        assert all(abs(length - tokens) <= 2 for length in lengths)
        assert len(set(texts)) > 1
    assert cutter.cut(1000) == " ".join(passages)


@pytest.mark.parametrize(
    ("place", "wanted"),
    [("none", ["a", "b"]), ("first", [None, None, None, "a", "b"]), ("last", ["a", "b", None, None, None])],
)
def test_where_boilerplate_stands(place, wanted):
    """Lines stand before or behind the passages; mixed in, all are there, the same each time."""
    found = boilerplate.among(["a", "b"], place, 3)
    assert [one if one in {"a", "b"} else None for one in found] == wanted
    mixed = boilerplate.among(["a", "b"], "mixed", 30)
    assert sorted(mixed) == sorted(boilerplate.among(["a", "b"], "last", 30))
    assert mixed == boilerplate.among(["a", "b"], "mixed", 30)
    assert mixed.count("All rights reserved.") == 10
