"""The index of vectors: what it finds among copies and near copies, walking and comparing, while it changes."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.storage import graph, unit_vectors, vectors
from shortlist.server.storage.choices import Quantization
from shortlist.server.storage.unit_vectors import Directions, Keys
from shortlist.server.storage.vectors import Vectors

DIMENSIONS = 32
RANDOM = np.random.default_rng(3)
NONE = np.empty(0, np.uint64)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Draw the same vectors in whatever order the tests run."""
    RANDOM.bit_generator.state = np.random.default_rng(3).bit_generator.state


@pytest.mark.parametrize("first", ["vectors", "graph", "index_file", "measuring"])
def test_modules_load_in_any_order(first: str):
    """Whichever module of usearch comes first, it does not make onnxruntime crash."""
    imports = f"import shortlist.server.storage.{first}; import shortlist.server.runtime.session"
    subprocess.run([sys.executable, "-c", imports], check=True, timeout=60)


def spread(count: int) -> np.ndarray:
    """Return vectors that lie everywhere."""
    return RANDOM.standard_normal((count, DIMENSIONS)).astype(np.float32)


def near_copies(count: int) -> np.ndarray:
    """Return vectors that lie around one, as texts do that differ in a word."""
    return spread(1) + 0.2 * spread(count)


class Given:
    """Vectors as documents have them."""

    def __init__(self, made: Directions) -> None:
        """Have these."""
        self._units = dict(zip(made.keys.tolist(), made.units.astype(np.float32), strict=True))
        self.count = len(made.keys)

    def keys(self) -> Keys:
        """Return their keys."""
        return np.sort(np.array(list(self._units), np.uint64))

    def vectors(self, keys: Keys) -> tuple[Keys, np.ndarray]:
        """Return those of some keys."""
        there = [key for key in keys.tolist() if key in self._units]
        return np.array(there, np.uint64), np.array([self._units[key] for key in there])


def opened(path: Path, made: Directions, quantization: Quantization = "none") -> Vectors:
    """Return the index in a folder, of what these directions are."""
    return Vectors(path / "vectors.usearch", DIMENSIONS, quantization, Given(made))


def filled(path: Path, made: Directions, quantization: Quantization = "none") -> Vectors:
    """Return an index of these directions."""
    index = opened(path, made, quantization)
    index.add(made)
    return index


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walk always, with a beam so narrow that a few thousand vectors are enough for some to be lost."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    monkeypatch.setattr(vectors, "FIRST_BEAM", 32)
    monkeypatch.setattr(graph, "_WIDE_BEAM", 32)
    monkeypatch.setattr(graph, "_NARROW_BEAM", 32)


def one(made: Directions, place: int) -> Directions:
    """Return a single one of several directions."""
    return some(made, place, place + 1)


def some(made: Directions, start: int, stop: int) -> Directions:
    """Return neighbouring ones of several directions."""
    return Directions(made.keys[start:stop], made.units[start:stop])


def recall(index: Vectors, made: Directions, queries: Directions, count: int) -> float:
    """Return which share of the nearest a search finds, against a comparison in float64."""
    cosines = queries.units.astype(np.float64) @ made.units.T.astype(np.float64)
    least = np.sort(cosines, axis=1)[:, -count] - 1e-3  # float16 rounds within that
    found = [index.search(one(queries, place), count, NONE) for place in range(len(queries.keys))]
    return float(np.mean([np.sum(near >= low) / count for (_, near), low in zip(found, least, strict=True)]))


@pytest.mark.parametrize("walk", [False, True])
@pytest.mark.parametrize("order", ["first", "mixed", "last"])
def test_near_copies_hide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str, walk: bool):
    """Among as many near copies the ten nearest of 3,000 others are found, and each by itself."""
    if walk:
        monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    copies, others = near_copies(3000), spread(3000)
    together = np.concatenate([others, copies] if order == "last" else [copies, others])
    if order == "mixed":
        together = together[RANDOM.permutation(len(together))]
    made = unit_vectors.of(together)
    index = filled(tmp_path, made)
    index.beam = 2048  # what it takes here: `test_measuring.py` has how it is found
    assert recall(index, made, unit_vectors.of(spread(200)), 10) >= 0.995
    own = unit_vectors.of(others[::10])
    assert [index.search(one(own, place), 1, NONE)[0][0] for place in range(len(own.keys))] == own.keys.tolist()


def test_as_many_as_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A walk that comes back with fewer vectors than were asked for is not taken for an answer."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    made = unit_vectors.of(np.concatenate([near_copies(1000), spread(1000)]))
    index = filled(tmp_path, made)
    for count in (1, 500, 1999, 2000, 3000):
        keys, cosines = index.search(one(made, 5), count, NONE)
        assert len(set(keys.tolist())) == min(count, 2000)
        assert (np.diff(cosines) <= 0).all()


@pytest.mark.parametrize("walk", [False, True])
def test_hidden_vectors_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walk: bool):
    """The nearest that are not hidden come in full number, however many hidden ones are nearer."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0 if walk else 10_000)
    made = unit_vectors.of(np.concatenate([near_copies(700), spread(900)]))
    index = filled(tmp_path, made)
    every, _ = index.search(one(made, 5), 1600, NONE)
    for count, hidden in ((1, every[:1]), (10, every[:699]), (10, every[1::2]), (1600, every[:100]), (3, every)):
        wanted = every[~np.isin(every, hidden)][:count]
        assert index.search(one(made, 5), count, hidden)[0].tolist() == wanted.tolist()


def test_lost_vectors_are_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A check adds vectors again that near copies had cut off, so that walks find more of them, and loses none."""
    narrow(monkeypatch)
    made = unit_vectors.of(np.concatenate([spread(2000), near_copies(2000), near_copies(2000)]))
    index = filled(tmp_path, made)
    lost = index.lost(made.keys)
    index.mend(made.keys)
    assert len(index.lost(made.keys)) < 0.75 * len(lost)
    assert sorted(index.keys()) == sorted(made.keys)
    assert np.array_equal(index.graph._index.get(lost), made.units[[made.keys.tolist().index(key) for key in lost]])


def test_a_search_for_what_is_there_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A vector that no walk finds is found by a search for it."""
    narrow(monkeypatch)
    made = unit_vectors.of(np.concatenate([spread(2000), near_copies(2000), near_copies(2000)]))
    index = filled(tmp_path, made)
    lost = np.flatnonzero(np.isin(made.keys, index.lost(made.keys)))
    assert len(lost) > 0
    assert [index.search(one(made, place), 1, NONE)[0][0] for place in lost] == made.keys[lost].tolist()


def test_a_search_goes_between_additions(tmp_path: Path):
    """A search that waits while many vectors are added comes before the next few of them."""
    made, searches = unit_vectors.of(spread(10 * vectors._SLICE)), []
    index, order = opened(tmp_path, made), []

    class Watched:
        """The index, with what it does and a search that begins while the first vectors are added."""

        def __init__(self) -> None:
            self.under = index.graph._index

        def __getattr__(self, name: str) -> object:
            return getattr(self.under, name)

        def __len__(self) -> int:
            return len(self.under)

        def add(self, *given: object, **named: object) -> None:
            order.append("add")
            if not searches:
                searches.append(threading.Thread(target=index.search, args=(one(made, 0), 1, NONE)))
                searches[0].start()
                while not index._next.locked():  # until it waits
                    pass
            self.under.add(*given, **named)

        def search(self, *given: object, **named: object) -> object:
            order.append("search")
            return self.under.search(*given, **named)

    index.graph._index = Watched()  # type: ignore[assignment]
    index.add(made)
    searches[0].join()
    assert order == ["add", "search", *["add"] * 9]


def test_an_index_with_little_that_is_wanted_is_emptied(tmp_path: Path):
    """An index that holds less than a third of what it should begins anew; one with more only loses the others."""
    made = unit_vectors.of(spread(300))
    index = filled(tmp_path, made)
    assert len(index.keep(made.keys[90:])) == 0
    assert (len(index), index.graph._index.stats.nodes) == (210, 300)
    other = np.concatenate([made.keys[:90], made.keys[290:]])
    assert sorted(index.keep(other)) == sorted(other)
    assert (len(index), index.graph._index.stats.nodes) == (0, 0)


def test_empty_places_are_counted(tmp_path: Path):
    """An index is sparse once a third of its places are empty, as usearch counts, until they are filled again."""
    made = unit_vectors.of(spread(3000))
    index = filled(tmp_path, some(made, 0, 2000))
    assert not index.graph.sparse
    index.remove(made.keys[:700])
    assert index.graph.sparse
    index.save()
    assert opened(tmp_path, made).graph.sparse
    index.add(some(made, 2000, 2700))
    assert (index.graph._places, index.graph._index.stats.nodes) == (2000, 2000)
    assert not index.graph.sparse


@pytest.mark.parametrize("walk", [False, True])
def test_a_quantized_index_finds_as_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walk: bool):
    """An index of int8 finds what one of float16 finds, with the cosines of the vectors themselves."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0 if walk else 10_000)
    made = unit_vectors.of(np.concatenate([spread(2000), near_copies(500)]))
    index, queries = filled(tmp_path, made, "int8"), unit_vectors.of(spread(100))
    assert index.graph.index.dtype.name == "I8"
    assert recall(index, made, queries, 10) >= 0.99
    keys, cosines = index.search(one(queries, 0), 10, NONE)
    place = {key: number for number, key in enumerate(made.keys.tolist())}
    stored = made.units[[place[key] for key in keys.tolist()]].astype(np.float64)
    np.testing.assert_allclose(cosines, stored @ queries.units[0].astype(np.float64), atol=1e-5)
    assert (np.diff(cosines) <= 0).all()


def test_what_a_quantized_index_reads_is_exact(tmp_path: Path):
    """The directions that are read from an index of int8 are those of the documents."""
    made = unit_vectors.of(spread(100))
    read = filled(tmp_path, made, "int8").read(made.keys[10:20])
    assert dict(zip(read.keys.tolist(), read.units.tolist(), strict=True)) == dict(
        zip(made.keys[10:20].tolist(), made.units[10:20].tolist(), strict=True)
    )


def test_an_index_of_another_quantization_is_made_anew(tmp_path: Path):
    """A file whose numbers are not those that the collection is to have is of no use, and says why."""
    made = unit_vectors.of(spread(100))
    filled(tmp_path, made).save()
    assert "it is of shape (32, 'f16', 16) and not (32, 'i8', 16)" in opened(tmp_path, made, "int8").fault
