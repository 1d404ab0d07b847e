"""The measurement of growth: what is made up past the real documents, what limits a level, what is kept."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from shortlist.bench.outcome import plain
from shortlist.bench.studies.growth import limits, recall, session
from shortlist.bench.studies.growth.filling import Seeds, nearest
from shortlist.bench.studies.growth.level import Place, Point, shares
from shortlist.bench.studies.growth.settings import GrowthSettings
from shortlist.bench.studies.lengths import Cutter
from shortlist.bench.texts import Texts
from shortlist.console.options import UsageError
from shortlist.server.errors import SettingsError
from shortlist.server.runtime import bundle
from shortlist.server.storage import directions
from shortlist.server.storage.document import Origin
from shortlist.server.storage.documents import Documents

GIVEN = {name: Path(name) for name in ("embedder", "reranker", "collection_folder")}
POINT = Point(
    axis="documents",
    at=1000,
    load="dense",
    clients=1,
    stable=True,
    requests=100,
    requests_per_s=200.0,
    items_per_s=200.0,
    p50_ms=2.0,
    p99_ms=4.0,
    errors={},
    degraded=0,
    parts_ms={"queue": 0.02, "infer": 1.2, "retrieve": 0.78},
    slots=2,
    busy_slots=0.5,
    server_cores=0.8,
    generator_cores=0.2,
    rss_mb=300.0,
)


def seeds(count: int = 5, dimensions: int = 16) -> Seeds:
    """Return passages with random unit vectors."""
    vectors = np.random.default_rng(0).standard_normal((count, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Seeds([f"passage {number}" for number in range(count)], vectors, list(range(count)), nearest(vectors))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"axes": ("queries",)}, "axes has 'queries', but there are documents, clients, tokens"),
        ({"documents": ("1k",)}, "documents: '1k' is not a whole number above 0"),
        ({"clients": ("2000",)}, "clients: '2000' is not a whole number above 0 and up to 1,000"),
        ({"tokens": ("0",)}, "tokens: '0' is not"),
        ({"window_s": float("nan")}, "window_s is nan"),
        ({"plot": Path("plot.pdf")}, "must end in .png"),
        ({"results": Path("nowhere/results.json")}, "there is no folder nowhere"),
    ],
)
def test_bad_settings(given, told):
    """The setting, its value and the limit are named."""
    with pytest.raises((UsageError, SettingsError)) as caught:
        GrowthSettings(**GIVEN, **given)
    assert told in str(caught.value)


def test_levels_ascend_and_come_once():
    """Levels are measured from the least to the most, whatever order they are given in."""
    assert GrowthSettings(**GIVEN, clients=("8", "1", "8")).levels("clients") == (1, 8)


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
    Documents.create(path, Origin("model", "f00d", 16), created_at=0.0)
    rows = Documents(path)
    with rows.writing() as change:
        change.replace(documents, vectors, directions.of(vectors).keys, tokens)
    rows.close()
    queries = seeds(3).vectors
    wanted = np.argsort(-(queries @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T), axis=1)[:, :10]
    assert recall.nearest(path, queries) == [list(map(str, row)) for row in wanted.tolist()]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"busy_slots": 1.9, "server_cores": 0.7}, "other work took cores: 1.90 slots ran on 0.70 cores"),
        ({"busy_slots": 1.9}, "the model: slots run 95% of the time; of a request: infer 60%, retrieve 39%"),
        (
            {"server_cores": 1.6, "generator_cores": 0.3},
            "the cores, with what is around the model: slots run 25% of the time, 1.60 cores in the server",
        ),
        ({}, "neither slots nor cores, but one step after another: slots run 25% of the time"),
        ({"errors": {"RESOURCE_EXHAUSTED": 25}}, "25.0% get RESOURCE_EXHAUSTED"),
        ({"degraded": 50}, "50.0% of the answers are cut short by the deadline"),
    ],
)
def test_what_limits_a_level(changes, told):
    """Full slots, full cores or neither is what limits; what was refused or cut short is told behind it."""
    assert told in limits.limit(dataclasses.replace(POINT, **changes), cores=2)


def test_a_line_for_each_end():
    """Of each load the first and the last level get a line, where clients grow whatever their number."""
    grown = [dataclasses.replace(POINT, at=at) for at in (100, 10, 1000)]
    clients = [dataclasses.replace(POINT, axis="clients", at=at, clients=at) for at in (1, 2, 4)]
    told = [line.partition(":")[0] for line in limits.lines([*grown, *clients], cores=2)]
    assert told == [
        "dense, 10 documents, 1 client",
        "dense, 1,000 documents, 1 client",
        "dense, 1 clients",
        "dense, 4 clients",
    ]


def test_shares_add_up():
    """Shares are those of the whole time, the largest first; of no time there is no share."""
    assert shares({"queue": 1.0, "infer": 3.0}) == {"infer": 0.75, "queue": 0.25}
    assert shares({"queue": 0.0}) == {"queue": 0.0}


def test_what_was_measured_is_kept(tmp_path):
    """A level that the file has is not missing, others are."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(plain({"points": [POINT]})))
    found = session.opened(GrowthSettings(**GIVEN, results=path), Texts("none"))
    assert found.points == [POINT]
    there, other = Place("documents", 1000, "dense", 1), Place("documents", 1000, "dense", 8)
    assert found.missing(there, other) == [other]
    found.interrupted = True
    assert found.missing(other) == []


@pytest.mark.parametrize("content", ["[]", "{}", '{"points": [{"axis": "documents"}]}', "no JSON"])
def test_a_file_of_something_else(tmp_path, content):
    """A file that holds no results is named, not overwritten."""
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is no file of this command"):
        session.opened(GrowthSettings(**GIVEN, results=path), Texts("none"))
    assert path.read_text() == content


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
