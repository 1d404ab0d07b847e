"""What is done for an index in the background: proved after the start, made anew where it is sparse, saved."""

import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shortlist.server import cores
from shortlist.server.errors import StorageFailed
from shortlist.server.storage import graph, index_file, rebuild, upkeep
from shortlist.server.storage.choices import Choices
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from shortlist.server.storage.vectors import Vectors
from tiny_collections import DIMENSIONS, crashed, create, found, upsert, vector


@pytest.fixture
def filled(collection: Collection) -> Collection:
    """Return a collection of 3,000 documents."""
    for start in range(0, 3000, 500):
        upsert(collection, *(Document(str(number), f"text {number}") for number in range(start, start + 500)))
    return collection


def settled(collection: Collection) -> None:
    """Wait until nothing is done in the background any more."""
    while (thread := collection._indexes.used.upkeep._thread) is not None:
        thread.join()


def of_file(path: Path) -> Vectors:
    """Return the index in a file, which is only looked at."""
    return Vectors(path, DIMENSIONS, "none", None)  # type: ignore[arg-type]


def places(collection: Collection) -> tuple[int, int]:
    """Return the number of vectors, and of the places that usearch has for them."""
    return len(collection._indexes.used.vectors), collection._indexes.used.vectors.graph.index.stats.nodes


def exact(collection: Collection, ids: Sequence[str], query: np.ndarray, count: int) -> set[str]:
    """Return the nearest of some documents as comparing the stored vectors in float64 finds them."""
    stored = collection.vectors_of(ids)
    cosines = {one: float(query.astype(np.float64) @ stored[one].astype(np.float64)) for one in ids}
    return set(sorted(ids, key=lambda one: -cosines[one])[:count])


def test_a_sparse_index_is_made_anew(filled: Collection):
    """After two thirds of the documents are gone, so are their places, and the others are found as if alone."""
    filled.delete([str(number) for number in range(2000)])
    settled(filled)
    assert places(filled) == (1000, 1000)
    left = [str(number) for number in range(2000, 3000)]
    for number in (2000, 2500, 2999):
        assert found(filled, f"text {number}", 1) == [str(number)]
        assert set(found(filled, f"text {number}", 10)) == exact(filled, left, vector(f"text {number}"), 10)


def test_a_quantized_collection(tmp_path: Path):
    """A collection whose index is of int8 finds each document, after a crash and after most are deleted as well."""
    path = tmp_path / "small"
    collection = create(path, Choices(quantization="int8"))
    upsert(collection, *(Document(str(number), f"text {number}") for number in range(1500)))
    for opened in (collection, crashed(path, tmp_path / "copy")):
        assert opened.choices.quantization == "int8"
        assert [found(opened, f"text {number}", 1) for number in range(0, 1500, 100)] == [
            [str(number)] for number in range(0, 1500, 100)
        ]
        opened.delete([str(number) for number in range(1000)])
        settled(opened)
        assert places(opened) == (500, 500)
        assert opened._indexes.used.vectors.graph.index.dtype.name == "I8"
        left = [str(number) for number in range(1000, 1500)]
        assert set(found(opened, "text 1200", 10)) == exact(opened, left, vector("text 1200"), 10)
        opened.close()


def test_what_changes_meanwhile_is_kept(filled: Collection, monkeypatch: pytest.MonkeyPatch):
    """Documents that are written, replaced and deleted while an index is made anew are in the new one as they are."""
    add, seen = rebuild._add, []

    def slowly(*given):
        number = len(seen)
        seen.append(number)
        if threading.current_thread() is filled._indexes.used.upkeep._thread and number < 12:
            upsert(filled, Document(f"new {number}", f"new text {number}"))
            upsert(filled, Document(str(2400 + number), f"other {number}"))
            filled.delete([str(2900 + number)])
        return add(*given)

    monkeypatch.setattr(rebuild, "_add", slowly)
    filled.delete([str(number) for number in range(1500)])
    settled(filled)
    assert len(seen) > 12
    assert len(filled) == 1500 == places(filled)[0]
    for number in range(12):
        assert found(filled, f"new text {number}", 1) == [f"new {number}"]
        assert found(filled, f"other {number}", 1) == [str(2400 + number)]
        assert str(2900 + number) not in found(filled, f"text {2900 + number}", 3000)
    assert sorted(filled._indexes.used.vectors.keys()) == sorted(filled._documents.keys())


def test_searches_go_on_meanwhile(filled: Collection, monkeypatch: pytest.MonkeyPatch):
    """While an index is made anew, searches are answered from the old one."""
    add, answers = rebuild._add, []

    def slowly(*given):
        answers.append(found(filled, "text 2700", 1))
        return add(*given)

    monkeypatch.setattr(rebuild, "_add", slowly)
    filled.delete([str(number) for number in range(1500)])
    settled(filled)
    assert len(answers) > 10
    assert answers == [["2700"]] * len(answers)


def test_a_rebuild_that_is_stopped(filled: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A collection that is closed while its index is made anew loses nothing, and begins again at the next start."""
    add = rebuild._add

    def stop(*given):
        filled._indexes.used.upkeep._resting.set()
        return add(*given)

    monkeypatch.setattr(rebuild, "_add", stop)
    filled.delete([str(number) for number in range(1500)])
    settled(filled)
    assert places(filled) == (1500, 3000)
    filled.close()
    monkeypatch.undo()
    again = Collection(tmp_path / "c")
    settled(again)
    assert places(again) == (1500, 1500)
    assert found(again, "text 2700", 1) == ["2700"]
    again.close()


def test_a_dropped_collection_stops_its_rebuild(filled: Collection, monkeypatch: pytest.MonkeyPatch):
    """A collection that is dropped while its index is made anew ends without a word of failure."""
    add, begun = rebuild._add, threading.Event()

    def waiting(*given):
        begun.set()
        return add(*given)

    monkeypatch.setattr(rebuild, "_add", waiting)
    filled.delete([str(number) for number in range(1500)])
    assert begun.wait(30)
    filled.discard()
    assert filled._indexes.used.upkeep._thread is None


@pytest.mark.parametrize("whole", [True, False])
def test_a_large_file_is_proved_after_the_start(
    filled: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, whole: bool
):
    """A large file that nobody touched is proved after the start; before that, and if it is bad, none is walked."""
    filled._indexes.used.upkeep.save()
    monkeypatch.setattr(index_file, "_LARGE_FILE", 0)
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    proved, proceed = index_file.IndexFile.whole, threading.Event()

    def later(self: index_file.IndexFile) -> bool:
        assert proceed.wait(30)
        return proved(self) and whole

    monkeypatch.setattr(index_file.IndexFile, "whole", later)
    again = Collection(tmp_path / "c")
    assert not again._indexes.used.vectors.walks
    assert found(again, "text 7", 1) == ["7"]
    proceed.set()
    settled(again)
    assert again._indexes.used.vectors.walks
    assert found(again, "text 7", 1) == ["7"]
    assert ("is not as it was written" in caplog.text) != whole
    upsert(again, Document("new", "new"))
    assert found(again, "new", 1) == ["new"]
    again.close()


def test_nothing_is_added_to_a_damaged_graph(filled: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A write into a collection whose index turns out to be damaged is refused, and leaves nothing behind."""
    filled._indexes.used.upkeep.save()
    monkeypatch.setattr(index_file, "_LARGE_FILE", 0)
    monkeypatch.setattr(index_file.IndexFile, "whole", lambda _: False)
    monkeypatch.setattr(upkeep, "rebuild", lambda *_: False)
    monkeypatch.setattr(upkeep.Upkeep, "_due", lambda _: None)
    again = Collection(tmp_path / "c")
    with pytest.raises(StorageFailed, match="made anew; try again"):
        upsert(again, Document("new", "new"))
    assert len(again) == 3000
    assert again.get(["new"]) == {}
    again.discard()


@pytest.mark.parametrize("touch", ["written", "replaced", "copied"])
def test_a_file_that_somebody_touched_is_proved_first(
    filled: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touch: str
):
    """A large file that was written, replaced or copied since it was saved is compared before it is used."""
    filled._indexes.used.upkeep.save()
    path = tmp_path / "c" / "vectors.usearch"
    monkeypatch.setattr(index_file, "_LARGE_FILE", 0)
    assert of_file(path).unproved
    if touch == "copied":
        for name in (path.name, path.with_suffix(".sha256").name):
            shutil.copy2(path.with_name(name), tmp_path / name)
        path = tmp_path / path.name
        assert of_file(path).proved
        return
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    if touch == "written":
        path.write_bytes(data)
    else:
        (tmp_path / "other").write_bytes(data)
        (tmp_path / "other").replace(path)
    assert of_file(path).fault == "its SHA-256 is not the one beside it"


def test_a_large_index_is_saved_by_a_child(filled: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a child saves is the index as it was at that moment, byte by byte; what changes meanwhile is not in it."""
    file = index_file.IndexFile(tmp_path / "here.usearch", DIMENSIONS)
    file.write(filled._indexes.used.vectors.graph.index)()
    monkeypatch.setattr(index_file, "_MANY_VECTORS", 0)
    child = index_file.IndexFile(tmp_path / "child.usearch", DIMENSIONS)
    end = child.write(filled._indexes.used.vectors.graph.index)
    upsert(filled, Document("new", "new"))
    end()
    assert (tmp_path / "child.usearch").read_bytes() == (tmp_path / "here.usearch").read_bytes()
    assert of_file(tmp_path / "child.usearch").fault == ""


def test_a_child_holds_no_lock(tmp_path: Path):
    """A file that was locked when a child began can be locked again as soon as the child works."""
    going = tmp_path / "going"

    def work() -> None:
        going.touch()
        while going.exists():
            time.sleep(0.001)

    with (tmp_path / "lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        child = index_file._Child(work)
        while not going.exists():
            time.sleep(0.001)
    with (tmp_path / "lock").open("w") as second:
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    going.unlink()
    child.wait()


@pytest.mark.parametrize("way", ["fails", "hangs"])
def test_a_child_that_does_not_save(
    filled: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: str
):
    """Where the child fails or hangs, the old file stays, the log says why, and documents are served all the same."""
    filled._indexes.used.upkeep.save()
    before = (tmp_path / "c" / "vectors.usearch").read_bytes()
    monkeypatch.setattr(index_file, "_MANY_VECTORS", 0)
    upsert(filled, Document("new", "new"))
    if way == "fails":
        (tmp_path / "c" / "vectors.new").mkdir()
    else:
        monkeypatch.setattr(index_file, "_CHILD_SECONDS", 0.0)
    filled._indexes.used.upkeep.save()
    assert ("Is a directory" if way == "fails" else "did not end in 0 s") in caplog.text
    assert (tmp_path / "c" / "vectors.usearch").read_bytes() == before
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert found(again, "new", 1) == ["new"]
    again.close()


def test_changes_are_saved_in_the_background(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """An index is saved once enough of it has changed, by a thread, and not before."""
    monkeypatch.setattr(upkeep, "_SAVE_AFTER_CHANGES", 100)
    upsert(collection, *(Document(str(number), f"text {number}") for number in range(99)))
    settled(collection)
    assert collection._indexes.used.upkeep._unsaved == 99
    upsert(collection, Document("99", "text 99"))
    settled(collection)
    assert collection._indexes.used.upkeep._unsaved == 0
    assert len(of_file(collection._indexes.used.vectors._file.path)) == 100


def test_long_additions_tell_how_far_they_are(
    filled: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A start that has to add many vectors logs how many it has added."""
    monkeypatch.setattr(upkeep, "_TOLD_EVERY_SECONDS", 0.0)
    caplog.set_level(logging.INFO)
    crashed(tmp_path / "c", tmp_path / "copy").close()
    assert "collection copy: adding 3000 vectors to its index" in caplog.text
    assert "collection copy: 1984 of 3000 vectors added to its index" in caplog.text


def test_the_background_gives_way():
    """A thread that gives way has a lower priority than the one that began it, which keeps its own."""
    here, there = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), []

    def work() -> None:
        cores.give_way()
        there.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert there == [min(19, here + 5)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == here
