"""Graphs that are not what their folder says, or nothing that can be taken in: refused in one line."""

import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

import graphs
import reference
import tiny_models
from published import publish
from shortlist.export import onnx_import
from shortlist.export.errors import ExportError
from shortlist.server.runtime.bundle import load


def test_graph_of_another_model_is_found_out(tmp_path: Path) -> None:
    """A graph that is not of the PyTorch weights beside it is refused with figures, and the old bundle stays."""
    published = publish(tiny_models.encoder(tmp_path / "one", labels=["LABEL_0"]), "reranker", weights=True)
    other = publish(tiny_models.encoder(tmp_path / "two", labels=["LABEL_0"], seed=1), "reranker")
    out = tmp_path / "bundle"
    tiny_models.export(published, out, graph="onnx/model.onnx")
    before = (out / "manifest.json").read_bytes()
    shutil.copy(other / "onnx" / "model.onnx", published / "onnx" / "model.onnx")
    with pytest.raises(
        ExportError, match=r"fp32\.onnx does not compute what sentence-transformers computes.*score_change_max"
    ):
        tiny_models.export(published, out, graph="onnx/model.onnx")
    assert (out / "manifest.json").read_bytes() == before


def test_weights_in_nodes_count() -> None:
    """A graph whose weights are constants among its nodes is told from one with others."""
    hashes = []
    for seed in (0, 0, 1):
        made = graphs.encoder()
        table = onnx.numpy_helper.from_array(graphs.table(seed), "table")
        del made.graph.initializer[:]
        made.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["table"], value=table))
        hashes.append(onnx_import._sha256(made))
    assert hashes[0] == hashes[1] != hashes[2]


def test_architecture_whose_code_is_its_own(tmp_path: Path) -> None:
    """Code beside the weights is never run: the model is refused with a way out, which is its published graph."""
    folder = tiny_models.embedder(tmp_path)
    published = publish(folder, weights=True)
    tiny_models.edit(
        published / "config.json",
        model_type="new",
        architectures=["NewModel"],
        auto_map={"AutoModel": "makers/new-impl--modeling.NewModel"},
    )
    with pytest.raises(ExportError, match=r"is a new model, whose code is in no library.*name that with --graph"):
        tiny_models.export(published, tmp_path / "bundle")
    bundle = tiny_models.export(published, tmp_path / "bundle", graph="onnx/model.onnx")
    assert (bundle.manifest.reference, bundle.manifest.source.architecture) == ("onnx", "NewModel")
    reference.assert_embeds_like(folder, bundle)


def made_by_hand(folder: Path, made: onnx.ModelProto, **config: Any) -> Path:
    """Save a model whose graph is not what optimum makes."""
    target = tiny_models.encoder(folder / "model", labels=["LABEL_0"] if "id2label" in config else None)
    (target / "model.safetensors").unlink()
    tiny_models.edit(target / "config.json", **config)
    graphs.save(made, target / "model.onnx")
    return target


@pytest.mark.parametrize(
    ("made", "config", "named"),
    [
        (graphs.encoder(opset=99), {}, "opset 99"),
        (graphs.encoder(inputs=("tokens",)), {}, "takes tokens"),
        (graphs.encoder(output="features"), {}, "gives features"),
        (graphs.encoder(output="logits"), {"id2label": {"0": "A"}}, "takes no token_type_ids"),
        (
            graphs.encoder(output="logits"),
            {"id2label": {"0": "A"}, "type_vocab_size": 1},
            f"gives logits with {graphs.WIDTH} elements, but the configuration beside it wants 1",
        ),
        (graphs.encoder(operators=["NoSuchOperator"]), {}, "onnxruntime cannot load model.onnx"),
        (graphs.encoder(), {}, "its embedding table has 40 rows"),  # its table is smaller than the vocabulary
    ],
)
def test_unfit_graphs_are_refused(made: onnx.ModelProto, config: dict[str, Any], named: str, tmp_path: Path) -> None:
    """What does not fit is told in one line, and the bundle that is there stays."""
    out = tmp_path / "bundle"
    tiny_models.export(tiny_models.encoder(tmp_path / "before"), out)
    folder = made_by_hand(tmp_path, made, **config)
    with pytest.raises(ExportError) as caught:
        tiny_models.export(folder, out)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load(out).manifest.source.model == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "before", "model"}
