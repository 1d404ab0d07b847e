"""An export is whole or not there, and a second one with nothing changed does nothing."""

import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import onnx
import pytest

import tiny_models
from shortlist.export import graph_fusion, graphs
from shortlist.export.app import run
from shortlist.export.errors import ExportError
from shortlist.export.quantization.token_scaled import Quantizer
from shortlist.export.settings import ExportSettings
from shortlist.server.runtime.bundle import load

SECOND_RUN = """
import sys
from pathlib import Path
from shortlist.export.app import run
from shortlist.export.settings import ExportSettings
gate = {"least_overlap": 0.0, "least_tau": 0.0, "most_ndcg_loss": 1.0}
run(sys.argv[1], ExportSettings(out=Path(sys.argv[2]), variants=("fp32",), **gate), print)
print("torch" in sys.modules or "transformers" in sys.modules)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a reranker's folder."""
    return tiny_models.encoder(tmp_path_factory.mktemp("model") / "model", labels=["LABEL_0"])


@pytest.fixture
def out(model: Path, exported: Path, tmp_path: Path) -> Path:
    """Return a copy of its bundle, which a second run leaves alone."""
    copy = tmp_path / "out"
    shutil.copytree(exported, copy)
    before = state(copy)
    tiny_models.export(model, copy)
    assert state(copy) == before
    return copy


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export it once."""
    return tiny_models.export(model, tmp_path_factory.mktemp("exported") / "bundle").path


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what each file of a folder is and when it was written."""
    found = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (entry.st_ino, entry.st_mtime_ns) for name, entry in found.items()}


def halve_weights(path: Path) -> None:
    """Damage a graph: it still runs, and computes something else."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) / 2, tensor.name))
    onnx.save(model, path)


def test_second_run_does_nothing_and_says_so(model: Path, out: Path) -> None:
    """With nothing changed no file is touched, and neither PyTorch nor transformers is imported."""
    before = state(out)
    command = [sys.executable, "-c", SECOND_RUN, str(model), str(out)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert printed == [f"{out} is up to date: same model, settings and tools; --force exports it again", "False"]
    assert state(out) == before


@pytest.mark.parametrize("change", ["force", "max_tokens", "variants", "no prefix", "file", "tools", "damage"])
def test_what_makes_a_second_run_export_again(
    change: str, model: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another setting, other files, other tools, a damaged bundle or --force: each exports again."""
    source = tmp_path / "model"
    shutil.copytree(model, source)
    before = state(out)
    settings: dict[str, object] = {}
    match change:
        case "force":
            settings["force"] = True
        case "max_tokens":
            settings["max_tokens"] = 16
        case "variants":
            settings["variants"] = tiny_models.BOTH
        case "no prefix":
            settings["query_prefix"] = ""
        case "file":
            tiny_models.edit(source / "config.json", layer_norm_eps=1e-11)
        case "tools":
            monkeypatch.setattr("shortlist.export.tools.versions", lambda: {"onnxruntime": "0"})
        case "damage":
            halve_weights(out / "fp32.onnx")
    tiny_models.export(source, out, **settings)
    after = state(out)
    assert not any(after[name] == before.get(name) for name in after)
    for variant in load(out).manifest.variants:
        load(out).verify(variant)


def test_failed_comparison_leaves_no_bundle(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that computes something else ends the export with its figures, and nothing is written."""
    honest = Quantizer.write

    def damaged(quantizer: Quantizer, target: Path, keep: Collection[str] = ()) -> None:
        honest(quantizer, target, keep)
        model = onnx.load(target)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2:
                zeros = onnx.numpy_helper.to_array(tensor) * 0
                tensor.CopyFrom(onnx.numpy_helper.from_array(zeros, tensor.name))
        onnx.save(model, target)

    monkeypatch.setattr(Quantizer, "write", damaged)
    out = tmp_path / "bundles" / "out"
    with pytest.raises(ExportError, match="no variant of int8-token passed"):
        tiny_models.export(model, out, variants=("int8-token",), least_tau=0.97)
    assert not list(out.parent.iterdir())


def test_failed_comparison_keeps_the_bundle_that_was_there(
    model: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an export fails, the bundle that it would have replaced stays as it was."""
    before = state(out)
    monkeypatch.setattr(graph_fusion, "fuse", lambda *_: False)
    honest = graphs.save

    def damaged(graph: onnx.ModelProto, path: Path) -> None:
        honest(graph, path)
        halve_weights(path)

    monkeypatch.setattr(graphs, "save", damaged)
    with pytest.raises(ExportError, match=r"fp32\.onnx does not compute.*score_change_max"):
        tiny_models.export(model, out, force=True)
    assert state(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_fused_graph_that_differs_gives_way_to_the_plain_one(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fusion that does not compute the same is dropped with a word, and the plain graph passes."""
    honest = graph_fusion.fuse

    def damaged(source: Path, target: Path, config: object) -> bool:
        fused = honest(source, target, config)
        halve_weights(target)
        return fused

    monkeypatch.setattr(graph_fusion, "fuse", damaged)
    lines: list[str] = []
    settings = ExportSettings(out=tmp_path / "out", variants=("fp32",))
    bundle = run(str(model), settings, lines.append)
    assert any("The fused graph differs from sentence-transformers" in line for line in lines)
    assert bundle.manifest.variants["fp32"].parity["score_change_max"] < 1e-4


def test_attention_is_fused(model: Path, tmp_path: Path) -> None:
    """BERT's attention is one operator in both graphs, and no slow SkipLayerNormalization is made of it."""
    bundle = tiny_models.export(model, tmp_path / "out", variants=tiny_models.BOTH)
    for variant, attention in (("fp32", "Attention"), ("int8-token", "QAttention")):
        operators = [node.op_type for node in onnx.load(bundle.graph(variant)).graph.node]
        assert operators.count(attention) == 2
        assert "SkipLayerNormalization" not in operators


def test_progress_is_shown_and_libraries_are_silent(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each step tells its number; what the libraries print and warn does not reach the terminal."""
    lines: list[str] = []
    run(str(model), ExportSettings(out=tmp_path / "out", variants=("fp32", "int8-token")), lines.append)
    assert [line[:5] for line in lines if line.startswith("[")] == ["[1/3]", "[2/3]", "[3/3]"]
    assert capfd.readouterr() == ("", "")
