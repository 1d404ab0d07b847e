"""The measurement of growth: what is made up past the real documents, and what is near."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from parsed import parsed
from shortlist.bench.studies import boilerplate, recall
from shortlist.bench.studies.filled_collections import Seeds, nearest
from shortlist.bench.studies.growth import GrowthSettings
from shortlist.bench.studies.lengths import Cutter
from shortlist.console.errors import UsageError
from shortlist.server.runtime import bundle
from shortlist.server.storage import database, unit_vectors
from shortlist.server.storage.document import Origin
from shortlist.server.storage.documents import Documents

GIVEN = {"embedder": Path("e"), "reranker": Path("r"), "load": "dense"}


def seeds(count: int = 5, dimensions: int = 16) -> Seeds:
    """Return passages with random unit vectors."""
    vectors = np.random.default_rng(0).standard_normal((count, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Seeds([f"passage {number}" for number in range(count)], vectors, list(range(count)), nearest(vectors))


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
        parsed(GrowthSettings, load="dense")


def test_the_first_documents_are_real():
    """Documents have their numbers as ids; as many as there are real passages have those with their own vectors."""
    made = seeds()
    documents, vectors, tokens = made.documents(0, 8)
    assert [one.id for one in documents] == [str(number) for number in range(8)]
    assert [one.text for one in documents[:5]] == made.passages
    np.testing.assert_array_equal(vectors[:5], made.vectors)
    assert tokens == [0, 1, 2, 3, 4, 0, 1, 2]


def test_further_vectors_lie_between_real_ones():
    """What is made up is of length 1, the same each time, near a mixture of two real vectors, and never twice."""
    made = seeds()
    _, vectors, _ = made.documents(5, 205)
    np.testing.assert_array_equal(made.documents(5, 205)[1], vectors)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert len(np.unique(vectors, axis=0)) == 200
    for number, vector in enumerate(vectors, 5):
        first = made.vectors[number % 5]
        # What no pair with its first vector explains is noise: 0.003 in each of 16 elements, before it is normalized.
        left = min(
            np.linalg.norm(vector - pair.T @ np.linalg.lstsq(pair.T, vector, rcond=None)[0])
            for pair in (np.stack([first, other]) for other in made.vectors)
        )
        assert left < 0.05


def test_the_nearest_of_a_vector_are_others():
    """Block by block, each vector's ten nearest are those of a whole comparison, without itself."""
    vectors = np.random.default_rng(1).standard_normal((1500, 8), dtype=np.float32)
    whole = vectors @ vectors.T
    np.fill_diagonal(whole, -np.inf)
    expected = np.argsort(-whole, axis=1)[:, :10]
    np.testing.assert_array_equal(np.sort(expected, axis=1), np.sort(nearest(vectors), axis=1))


def test_a_single_vector_is_its_own_nearest():
    """A corpus of one passage can be filled up with mixtures of it alone."""
    assert nearest(np.ones((1, 8), np.float32)).tolist() == [[0]]


def test_the_nearest_are_those_of_all(tmp_path, monkeypatch):
    """Comparing block by block finds what one comparison with all documents finds: the least angles, any length."""
    monkeypatch.setattr(recall, "_BLOCK", 7)
    documents, vectors, tokens = seeds().documents(0, 50)
    vectors *= np.random.default_rng(1).uniform(0.2, 5, (50, 1)).astype(np.float32)
    path = tmp_path / "documents.sqlite"
    database.create(path, Origin("model", "f00d", 16), created_at=0.0)
    rows = Documents(path)
    with rows.writing() as change:
        change.replace(documents, vectors, unit_vectors.of(vectors).keys, tokens)
    rows.close()
    queries = seeds(3).vectors
    wanted = -np.sort(-(queries @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T), axis=1)[:, :10]
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
