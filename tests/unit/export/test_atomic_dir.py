"""The bundle's folder: whole or not at all, and nobody else's files are touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shortlist.export import atomic_dir
from shortlist.export.errors import ExportError
from shortlist.server.runtime.manifest import FORMAT_VERSION, File, Manifest, Source, Variant


def bundle_at(folder: Path) -> Path:
    """Write a bundle whose graph is a text."""
    folder.mkdir()
    for name in ("fp32.onnx", "tokenizer.json"):
        (folder / name).write_text(name, encoding="utf-8")
    graph, tokenizer = (File.of(folder / name) for name in ("fp32.onnx", "tokenizer.json"))
    variant = Variant((graph,), "fp32", ("input_ids",), "logit", True, ("cpu",), {}, "", {})
    source = Source("model", "", "BertForSequenceClassification", "0" * 64)
    manifest = Manifest("reranker", source, 512, 0, "", False, "", "", 0, tokenizer, {"fp32": variant}, {}, "", "")
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return folder


def test_nothing_or_an_empty_folder_is_free(tmp_path: Path) -> None:
    """A folder that is not there, or holds nothing, may be written to."""
    assert atomic_dir.existing(tmp_path / "none") is None
    assert atomic_dir.existing(tmp_path) is None


def test_bundle_is_found_and_its_damage_seen(tmp_path: Path) -> None:
    """A bundle is recognized; one whose file has changed is not intact."""
    found = atomic_dir.existing(bundle_at(tmp_path / "out"))
    assert found is not None
    assert atomic_dir.intact(found)
    (found.path / "fp32.onnx").write_text("other", encoding="utf-8")
    assert not atomic_dir.intact(found)


@pytest.mark.parametrize(
    ("name", "text"), [("thesis.doc", "years of work"), ("manifest.json", '{"name": "a web application"}')]
)
def test_foreign_folder_is_refused(name: str, text: str, tmp_path: Path) -> None:
    """A folder with other files is refused, even if one of them is called manifest.json."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ExportError, match="holds something else than a bundle of this version"):
        atomic_dir.existing(tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == text


def test_foreign_file_in_a_bundle_is_refused(tmp_path: Path) -> None:
    """A file that someone put into a bundle would be deleted with it, so the folder is refused."""
    out = bundle_at(tmp_path / "out")
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ExportError, match=r"holds notes\.txt"):
        atomic_dir.existing(out)


def test_file_in_the_way_is_refused(tmp_path: Path) -> None:
    """A file where the bundle's folder should be is refused."""
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(ExportError, match="is a file"):
        atomic_dir.existing(tmp_path / "out")


def test_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Where no folder can be made, one line says so."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with (
        pytest.raises(ExportError, match="no bundle can be written"),
        atomic_dir.replacing(tmp_path / "file" / "out"),
    ):
        pass


def test_new_folder_takes_the_old_ones_place(tmp_path: Path) -> None:
    """What was written replaces what was there, and no draft is left."""
    out = bundle_at(tmp_path / "out")
    with atomic_dir.replacing(out) as folder:
        (folder / "new").write_text("new", encoding="utf-8")
        assert (out / "fp32.onnx").is_file()
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_drafts_of_killed_exports_go(tmp_path: Path) -> None:
    """What a killed export left beside the bundle is removed by the next one; one that still runs keeps its draft."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, runs = tmp_path / f".out.{ended.pid}.new", tmp_path / f".out.{os.getppid()}.new"
    for draft in (left, runs):
        draft.mkdir()
        (draft / "fp32.onnx").write_text("half", encoding="utf-8")
    with atomic_dir.replacing(tmp_path / "out"):
        pass
    assert not left.exists()
    assert (runs / "fp32.onnx").is_file()


def test_failure_leaves_the_old_one(tmp_path: Path) -> None:
    """If writing fails, the draft goes and the old bundle stays."""
    out = bundle_at(tmp_path / "out")

    def fail() -> None:
        with atomic_dir.replacing(out) as folder:
            (folder / "new").write_text("new", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert atomic_dir.intact(atomic_dir.existing(out))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_bundle_of_an_older_version_gives_way(tmp_path: Path) -> None:
    """What an older version exported is replaced; the same folder with a stranger's file in it is not."""
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "manifest.json").write_text(json.dumps({"format_version": FORMAT_VERSION - 1}))
    (out / "int8-token.onnx").write_bytes(b"graph")
    assert atomic_dir.existing(out) is None
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="holds something else than a bundle of this version"):
        atomic_dir.existing(out)
