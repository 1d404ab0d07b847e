"""Recall that is measured and held, on real indexes of vectors that lie in clusters, as texts do."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import StorageError
from shortlist.server.storage import filtered, graph, measuring, unit_vectors
from shortlist.server.storage.choices import Choices
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin, canonical
from shortlist.server.storage.filters import Condition, OneOf, Value
from shortlist.server.storage.measuring import Pace, Search
from shortlist.server.storage.recall import BEAMS, DEPTH

DIMENSIONS = 64
CLUSTERS = np.random.default_rng(7).standard_normal((200, DIMENSIONS)).astype(np.float32)
AT_ONCE = Pace(1)
HALF = Condition("half", OneOf((Value("number", 1),)))
LONG_S = 1e9


def clustered(count: int, seed: int) -> np.ndarray:
    """Return vectors around some centres, float32 [count, dimensions]."""
    rng = np.random.default_rng(seed)
    return CLUSTERS[rng.integers(0, len(CLUSTERS), count)] + rng.standard_normal(
        (count, DIMENSIONS), dtype=np.float32
    )


def fill(collection: Collection, made: np.ndarray) -> None:
    """Write documents of these vectors, of which every other one is in the half."""
    for start in range(0, len(made), 1000):
        some = made[start : start + 1000]
        documents = [
            Document(str(number), f"text {number}", metadata=canonical({"half": number % 2}))
            for number in range(start, start + len(some))
        ]
        collection.upsert(documents, some, [1] * len(some))


@pytest.fixture(scope="module")
def made() -> np.ndarray:
    """Return the vectors of the collection."""
    return clustered(5000, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, made: np.ndarray) -> Path:
    """Return a collection's folder."""
    path = tmp_path_factory.mktemp("made") / "c"
    path.mkdir()
    Collection.create(path, Origin("model (fp32)", "f00d", DIMENSIONS), created_at=0.0)
    opened = Collection(path)
    fill(opened, made)
    opened.close()
    return path


@pytest.fixture
def collection(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    """Return a collection whose index is walked, at first with the narrowest beam."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    opened = Collection(shutil.copytree(folder, tmp_path / "c"))
    opened.measured.begin(BEAMS[0])
    yield opened
    opened.close()


def searches(count: int, seed: int) -> list[Search]:
    """Return searches for what the collection is about."""
    return [Search(vector) for vector in clustered(count, seed)]


def directions(made: np.ndarray) -> np.ndarray:
    """Return directions as the index has them, at full length: float64 [vectors, dimensions]."""
    exact = unit_vectors.of(made).units.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


def found_of(collection: Collection, made: np.ndarray, queries: np.ndarray) -> float:
    """Return which share of the nearest DEPTH the collection finds, against a comparison in float64."""
    units, shares = directions(made), []
    for query in queries:
        cosines = units @ directions(query[None])[0]
        least = np.sort(cosines)[-DEPTH] - 1e-5  # float32 rounds within that
        found = [int(one.document.id) for one in collection.by_vectors.search(query, DEPTH)]
        shares.append(np.mean(cosines[found] >= least))
    return float(np.mean(shares))


def test_a_beam_that_is_too_small_is_widened_until_the_target_is_met(collection: Collection, made: np.ndarray):
    """Sixteen searches done again are enough to find a beam by which other searches find what they are to find."""
    others = clustered(100, seed=3)
    assert found_of(collection, made, others) < 0.97
    collection.measured.measure(searches(16, seed=2), AT_ONCE, LONG_S)
    told = collection.measured.report()
    assert (told.state, told.samples) == ("met", 16)
    assert told.mean is not None
    assert told.mean >= 0.99
    assert told.beam == collection._indexes.used.vectors.beam > BEAMS[0]
    assert found_of(collection, made, others) >= 0.985  # sixteen samples: within a standard error


def test_what_is_measured_is_what_is_found(collection: Collection, made: np.ndarray):
    """The recall of samples is that of the same searches against a comparison of our own."""
    asked = searches(64, seed=4)
    expected = found_of(collection, made, np.array([one.vector for one in asked]))
    found = measuring.measure(collection.among, asked, AT_ONCE, LONG_S)
    assert np.mean([one.found[0] for one in found]) == pytest.approx(expected, abs=0.001)
    means = np.mean([one.found for one in found], axis=0)
    assert (np.diff(means) >= -1e-3).all()  # a wider beam finds no less
    assert means[-1] == pytest.approx(1, abs=1e-3)


def test_a_target_that_cannot_be_met_is_said_once(collection: Collection, caplog: pytest.LogCaptureFixture):
    """Where no wider beam is allowed the beam stays, the state says so, and the log has one line, not one a batch."""
    with caplog.at_level(logging.INFO):
        for seed in range(3):
            collection.measured.measure(searches(16, seed), AT_ONCE, bound_s=0.0)
    assert collection.measured.report().state == "missed"
    assert collection._indexes.used.vectors.beam == BEAMS[0]
    (line,) = (record.getMessage() for record in caplog.records if "recall@50" in record.getMessage())
    assert "collection c: recall@50 is 0.9" in line
    assert "below its target of 0.99" in line
    assert line.endswith("raise --walk-ms, or lower the target")


def test_a_beam_that_is_far_too_wide_is_narrowed_and_stays(collection: Collection):
    """It is narrowed once a narrower one surely meets the target, and does not go to and fro after that."""
    held = collection.measured
    held.begin(BEAMS[-1])
    beams = []
    for seed in range(8):
        held.measure(searches(32, seed), AT_ONCE, LONG_S)
        beams.append(held.report().beam)
    assert beams[:3] == [BEAMS[-1]] * 3  # 96 samples are too few
    assert beams[-1] < BEAMS[-1] / 4
    assert len(set(beams[4:])) <= 2
    assert held.report().state == "met"


def test_searches_with_a_filter_are_measured(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """What the index finds of half of the documents is compared with all of that half, and its times do not count."""
    monkeypatch.setattr(filtered, "_FEW", 0)
    monkeypatch.setattr(filtered, "_DOCUMENTS_PER_HIT", 1)
    asked = [Search(one.vector, HALF) for one in searches(8, seed=5)]
    found = measuring.measure(collection.among, asked, AT_ONCE, LONG_S)
    assert len(found) == 8
    assert all(np.isnan(one.took_s).all() for one in found)
    # The beam is in proportion to the hits that are asked for, so more is found than without a filter.
    assert np.mean([one.found[0] for one in found]) > 0.9
    assert all(one.found[-1] == 1 for one in found)


def test_a_filter_is_measured_by_the_hits_that_were_asked_for(
    collection: Collection, made: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    """Ten hits of a filter are walked for less widely than fifty, so they are measured as ten."""
    monkeypatch.setattr(filtered, "_FEW", 0)
    monkeypatch.setattr(filtered, "_DOCUMENTS_PER_HIT", 1)
    asked = clustered(16, seed=6)
    units, half = directions(made), np.arange(1, len(made), 2)
    shares = []
    for query in asked:
        cosines = units @ directions(query[None])[0]
        found = [int(one.document.id) for one in collection.by_vectors.search_where(query, 10, HALF).candidates]
        shares.append(np.mean(cosines[found] >= np.sort(cosines[half])[-10] - 1e-5))
    samples = measuring.measure(collection.among, [Search(one, HALF, 10) for one in asked], AT_ONCE, LONG_S)
    place = BEAMS.index(collection.among.vectors.beam)
    assert np.mean([one.found[place] for one in samples]) == pytest.approx(np.mean(shares), abs=1e-6)
    assert np.mean(shares) < 1


def test_a_filter_of_few_documents_is_no_sample(collection: Collection):
    """What is compared one by one finds all by construction, and is not counted in a mean."""
    few = Condition("half", OneOf((Value("number", 2),)))
    assert measuring.measure(collection.among, [Search(CLUSTERS[0], few)], AT_ONCE, LONG_S) == []


def test_copies_and_ties_count_as_found(collection: Collection, made: np.ndarray):
    """Hundreds of equal vectors, and as many that differ by less than float16 holds, are not missed."""
    copies = np.repeat(made[:1], 400, axis=0)
    copies[200:] *= np.float32(1) + np.linspace(0, 3e-4, 200, dtype=np.float32)[:, None]
    documents = [Document(f"copy {number}", f"copy {number}") for number in range(400)]
    collection.upsert(documents, copies, [1] * 400)
    (found,) = measuring.measure(collection.among, [Search(made[0])], AT_ONCE, LONG_S)
    assert found.found[-1] == 1
    assert len(collection._indexes.used.vectors) < 5000 + 10


def test_what_changes_meanwhile_is_not_missed(collection: Collection, made: np.ndarray):
    """Vectors that go or come between the comparison and the walks do not count against the walks."""
    nearest = [one.document.id for one in collection.by_vectors.search(made[0], 30)]
    read, slices = collection._indexes.used.vectors.read, []

    def change(keys: np.ndarray) -> object:
        slices.append(len(keys))
        directions = read(keys)
        if len(slices) == 5000 // measuring._SLICE:  # the last
            collection.delete(nearest)
            near = made[:1] + 0.01 * np.random.default_rng(0).standard_normal((30, DIMENSIONS), dtype=np.float32)
            collection.upsert([Document(f"new {n}", f"new {n}") for n in range(30)], near, [1] * 30)
        return directions

    collection._indexes.used.vectors.read = change  # type: ignore[method-assign]
    (found,) = measuring.measure(collection.among, [Search(made[0])], AT_ONCE, LONG_S)
    assert len(slices) == 5000 // measuring._SLICE
    assert found.found[-1] == 1


def test_searches_go_on_while_one_is_done_again(collection: Collection, made: np.ndarray):
    """Between two slices of a pass the index belongs to nobody: searches, writes and deletes are done at once."""
    read, seen = collection._indexes.used.vectors.read, []

    def watched(keys: np.ndarray) -> object:
        directions = read(keys)
        assert not collection._indexes.used.vectors._busy.locked()
        seen.append([one.document.id for one in collection.by_vectors.search(made[1], 1)])
        collection.upsert([Document("new", f"new {len(seen)}")], made[2:3], [1])
        return directions

    collection._indexes.used.vectors.read = watched  # type: ignore[method-assign]
    assert len(measuring.measure(collection.among, searches(2, seed=6), AT_ONCE, LONG_S)) == 2
    assert seen == [["1"]] * (5000 // measuring._SLICE)


def test_a_pass_that_is_stopped_says_nothing(collection: Collection):
    """A server that stops waits for a slice, not for a pass, and half a comparison is no sample."""
    read, slices, pace = collection._indexes.used.vectors.read, [], Pace(1e-9)  # it would rest for weeks

    def stop(keys: np.ndarray) -> object:
        slices.append(keys)
        pace.stop()
        return read(keys)

    collection._indexes.used.vectors.read = stop  # type: ignore[method-assign]
    assert measuring.measure(collection.among, searches(2, seed=6), pace, LONG_S) == []
    assert len(slices) == 1


def test_all_is_found_where_all_are_compared(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """A small collection has a recall of 1 that nothing has to measure."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 10_000)
    told = collection.measured.report()
    assert (told.state, told.mean, told.beam, collection.measured.lacks) == ("exact", 1.0, 0, 0)


def test_a_target_is_kept_with_the_collection(tmp_path: Path):
    """A collection has the target that it was made with, after a new start too; one that is no number is damage."""
    (tmp_path / "c").mkdir()
    Collection.create(tmp_path / "c", Origin("model (fp32)", "f00d", DIMENSIONS), 0.0, Choices(0.95))
    first = Collection(tmp_path / "c")
    assert first.measured.report().target == 0.95
    with first._documents._writer as connection:
        connection.execute("UPDATE facts SET value = 'high' WHERE name = 'recall_target'")
    first.close()
    with pytest.raises(StorageError, match="cannot be read as a collection"):
        Collection(tmp_path / "c")
