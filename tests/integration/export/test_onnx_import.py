"""Folders with ONNX files as hubs publish them: taken in, proven, and made bundles like any other's.

The graphs are made with optimum, as those on hubs are.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import main_export
from sentence_transformers.sentence_transformer.modules import Dense, Normalize
from transformers import AutoConfig, AutoModel

import graphs
import models
import reference
from shortlist.export import model, onnx_import
from shortlist.export.app import run
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings
from shortlist.export.silence import quiet
from shortlist.server.runtime.bundle import Bundle, load

TASKS = {"embedder": "feature-extraction", "reranker": "text-classification"}


def publish(folder: Path, kind: str = "embedder", *, library: str = "transformers", weights: bool = False) -> Path:
    """Return a copy of a model's folder with `onnx/model.onnx`, without PyTorch weights unless they are to stay."""
    target = folder.with_name(f"{folder.name}-published")
    shutil.copytree(folder, target)
    with quiet():
        main_export(str(folder), target / "onnx", task=TASKS[kind], library_name=library, do_validation=False)
    for path in target.glob("onnx/*.json"):  # hubs keep the configuration in the folder above
        path.unlink()
    if not weights:
        (target / "model.safetensors").unlink()
    return target


def told(folder: Path, out: Path, **settings: Any) -> tuple[Bundle, str]:
    """Export, and return what progress told beside the bundle."""
    lines: list[str] = []
    return run(
        ExportSettings(model=str(folder), out=out, **{"variants": ("fp32", "int8"), **models.OPEN_GATE, **settings}),
        lines.append,
    ), "\n".join(lines)


@pytest.mark.parametrize("library", ["transformers", "sentence_transformers"])
@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "modernbert"])
def test_embedder_without_pytorch_weights(family: str, library: str, tmp_path: Path) -> None:
    """The graph of an embedder becomes a bundle that computes what its PyTorch weights would have."""
    folder = models.embedder(tmp_path, family, after=[Dense(models.WIDTH, 16), Normalize()], prompts={"query": "q: "})
    published = publish(folder, library=library)
    bundle, lines = told(published, tmp_path / "bundle")
    manifest = bundle.manifest
    assert (manifest.reference, manifest.settings["graph"]) == ("onnx", "onnx/model.onnx")
    assert "taking in onnx/model.onnx" in lines
    assert "comparing fp32 with the graph as it was published" in lines
    assert (manifest.dimensions, manifest.pooling, manifest.normalized) == (16, "mean", True)
    assert set(manifest.variants) == {"fp32", "int8"}
    assert manifest.max_tokens == models.WINDOW
    reference.assert_embeds_like(folder, bundle)


@pytest.mark.parametrize("pooling", ["cls", "max"])
def test_pooling(pooling: str, tmp_path: Path) -> None:
    """The pooling that modules.json names is put behind the graph."""
    folder = models.embedder(tmp_path, pooling=pooling)
    bundle = models.export(publish(folder), tmp_path / "bundle", variants=("fp32",))
    reference.assert_embeds_like(folder, bundle)


def test_attention_is_fused_as_in_traced_graphs(tmp_path: Path) -> None:
    """The fusions apply to a graph that was taken in, and unused outputs are gone with their weights."""
    bundle = models.export(publish(models.embedder(tmp_path)), tmp_path / "bundle")
    graph = onnx.load(bundle.graph("fp32")).graph
    assert [node.op_type for node in graph.node].count("Attention") == 2
    assert not [tensor.name for tensor in graph.initializer if "pooler" in tensor.name]
    assert [output.name for output in graph.output] == ["embedding"]


def test_graph_that_was_optimized_already(tmp_path: Path) -> None:
    """A graph with onnxruntime's fused operators, such as model_O2.onnx, is taken in and quantized all the same."""
    folder = models.embedder(tmp_path)
    published = publish(folder)
    with quiet():
        optimized = optimize_model(
            str(published / "onnx" / "model.onnx"), "bert", num_heads=4, hidden_size=models.WIDTH
        )
    optimized.save_model_to_file(str(published / "onnx" / "model_O2.onnx"))
    bundle = models.export(published, tmp_path / "bundle", graph="onnx/model_O2.onnx")
    assert set(bundle.manifest.variants) == {"fp32", "int8"}
    reference.assert_embeds_like(folder, bundle)


@pytest.mark.parametrize("labels", [["LABEL_0"], ["irrelevant", "relevant"], ["relevant", "irrelevant"]])
def test_reranker_without_pytorch_weights(labels: list[str], tmp_path: Path) -> None:
    """The logits of one label, or of two, become one logit."""
    folder = models.encoder(tmp_path / "model", labels=labels)
    bundle = models.export(publish(folder, "reranker"), tmp_path / "bundle")
    assert bundle.manifest.kind == "reranker"
    assert bundle.manifest.source.architecture == "BertForSequenceClassification"
    expected = reference.scores(folder)
    expected = expected if len(labels) == 1 else expected[:, labels.index("relevant")]
    np.testing.assert_allclose(reference.bundle_scores(bundle), expected, atol=reference.SCORE_TOLERANCE)


def test_pytorch_weights_win_unless_a_graph_is_named(tmp_path: Path) -> None:
    """With both in a folder PyTorch's are traced; --graph takes the graph in and holds it against them."""
    published = publish(models.embedder(tmp_path), weights=True)
    traced, lines = told(published, tmp_path / "traced", variants=("fp32",))
    assert (traced.manifest.reference, "graph" in traced.manifest.settings) == ("pytorch", False)
    assert "tracing it" in lines
    taken, lines = told(published, tmp_path / "taken", graph="onnx/model.onnx", variants=("fp32",))
    assert taken.manifest.reference == "pytorch"
    assert "comparing fp32 with sentence-transformers" in lines
    assert taken.manifest.source.weights_sha256 != traced.manifest.source.weights_sha256  # over the graph's tensors
    reference.assert_embeds_like(published, taken)


def test_graph_of_another_model_is_found_out(tmp_path: Path) -> None:
    """A graph that is not of the PyTorch weights beside it is refused with figures, and the old bundle stays."""
    published = publish(models.encoder(tmp_path / "one", labels=["LABEL_0"]), "reranker", weights=True)
    other = publish(models.encoder(tmp_path / "two", labels=["LABEL_0"], seed=1), "reranker")
    out = tmp_path / "bundle"
    models.export(published, out, graph="onnx/model.onnx")
    before = (out / "manifest.json").read_bytes()
    shutil.copy(other / "onnx" / "model.onnx", published / "onnx" / "model.onnx")
    with pytest.raises(
        ExportError, match=r"fp32\.onnx does not compute what sentence-transformers computes.*score_change_max"
    ):
        models.export(published, out, graph="onnx/model.onnx")
    assert (out / "manifest.json").read_bytes() == before


def test_weights_hash_is_the_graphs_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    """The same graph elsewhere has the same hash; another graph is another model, and is exported anew."""
    published = publish(models.encoder(tmp_path / "model"))
    shutil.copytree(published, tmp_path / "elsewhere")
    out = tmp_path / "bundle"
    found = [models.export(folder, out, variants=("fp32",)) for folder in (published, tmp_path / "elsewhere")]
    assert len({bundle.manifest.source.weights_sha256 for bundle in found}) == 1
    _, lines = told(tmp_path / "elsewhere", out, variants=("fp32",))
    assert lines.endswith("--force exports it again")
    other = publish(models.encoder(tmp_path / "other", seed=1))
    shutil.copy(other / "onnx" / "model.onnx", tmp_path / "elsewhere" / "onnx" / "model.onnx")
    again = models.export(tmp_path / "elsewhere", out, variants=("fp32",))
    assert again.manifest.source.weights_sha256 != found[0].manifest.source.weights_sha256


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
    folder = models.embedder(tmp_path)
    published = publish(folder, weights=True)
    models.edit(
        published / "config.json",
        model_type="new",
        architectures=["NewModel"],
        auto_map={"AutoModel": "makers/new-impl--modeling.NewModel"},
    )
    with pytest.raises(ExportError, match=r"is a new model, whose code is in no library.*name that with --graph"):
        models.export(published, tmp_path / "bundle")
    bundle = models.export(published, tmp_path / "bundle", graph="onnx/model.onnx")
    assert (bundle.manifest.reference, bundle.manifest.source.architecture) == ("onnx", "NewModel")
    reference.assert_embeds_like(folder, bundle)


def made_by_hand(folder: Path, made: onnx.ModelProto, **config: Any) -> Path:
    """Save a model whose graph is not what optimum makes."""
    target = models.encoder(folder / "model", labels=["LABEL_0"] if "id2label" in config else None)
    (target / "model.safetensors").unlink()
    models.edit(target / "config.json", **config)
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
    models.export(models.encoder(tmp_path / "before"), out, variants=("fp32",))
    folder = made_by_hand(tmp_path, made, **config)
    with pytest.raises(ExportError) as caught:
        models.export(folder, out)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load(out).manifest.source.model == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "before", "model"}


@pytest.mark.parametrize("family", models.FAMILIES)
def test_positions_by_the_configuration_alone(family: str, tmp_path: Path) -> None:
    """Without weights the window's limit is read from config.json, and is what the layers would have told."""
    folder = models.encoder(tmp_path / "model", family)
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        body = AutoModel.from_config(config)
    assert onnx_import.positions(config) == model.positions(body) == models.WINDOW


def test_names_that_are_taken(tmp_path: Path) -> None:
    """A graph with an output or a value named as ours end is completed under other names."""
    folder = models.embedder(tmp_path)
    published = publish(folder)
    graph = onnx.load(published / "onnx" / "model.onnx")
    graph.graph.node.append(onnx.helper.make_node("Identity", ["last_hidden_state"], ["embedding"]))
    graph.graph.output.append(onnx.helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, None))
    onnx.save(graph, published / "onnx" / "model.onnx")
    reference.assert_embeds_like(folder, models.export(published, tmp_path / "bundle", variants=("fp32",)))


def test_all_minilm_as_published(embedder_folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """all-MiniLM-L6-v2, taken in as a graph, is the model that its PyTorch weights are."""
    folder = tmp_path / "all-MiniLM-L6-v2"
    shutil.copytree(embedder_folder, folder)
    taken = models.export(publish(folder), tmp_path / "taken", variants=("fp32",))
    # The bundle that other tests with real models keep between runs.
    traced = models.export(models.EMBEDDER, Path(request.config.cache.mkdir("bundles")) / "embedder")
    for name in ("max_tokens", "dimensions", "pooling", "normalized", "kind"):
        assert getattr(taken.manifest, name) == getattr(traced.manifest, name)
    items = [*reference.QUERIES, *reference.PASSAGES]
    assert (models.outputs(taken, items) * models.outputs(traced, items)).sum(1).min() > 1 - 1e-6
    assert json.loads((taken.path / "manifest.json").read_text())["reference"] == "onnx"
