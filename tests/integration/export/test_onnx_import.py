"""Folders with ONNX files as hubs publish them: taken in, proven, and made bundles like any other's."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.transformers.optimizer import optimize_model
from sentence_transformers.sentence_transformer.modules import Dense, Normalize
from transformers import AutoConfig, AutoModel

import families
import reference
import tiny_models
from published import publish, told
from shortlist.export import model, onnx_import
from shortlist.export.silence import quiet
from shortlist.server.runtime.bundle import load


@pytest.mark.parametrize("library", ["transformers", "sentence_transformers"])
@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "modernbert"])
def test_embedder_without_pytorch_weights(family: str, library: str, tmp_path: Path) -> None:
    """The graph of an embedder becomes a bundle that computes what its PyTorch weights would have."""
    folder = tiny_models.embedder(
        tmp_path, family, after=[Dense(families.WIDTH, 16), Normalize()], prompts={"query": "q: "}
    )
    published = publish(folder, library=library)
    bundle, lines = told(published, tmp_path / "bundle", variants=tiny_models.BOTH)
    manifest = bundle.manifest
    assert (manifest.reference, manifest.settings["graph"]) == ("onnx", "onnx/model.onnx")
    assert "taking in onnx/model.onnx" in lines
    assert "comparing fp32 with the graph as it was published" in lines
    assert (manifest.dimensions, manifest.pooling, manifest.normalized) == (16, "mean", True)
    assert set(manifest.variants) == {"fp32", "int8-token"}
    assert manifest.max_tokens == families.WINDOW
    reference.assert_embeds_like(folder, bundle)


@pytest.mark.parametrize("pooling", ["cls", "max"])
def test_pooling(pooling: str, tmp_path: Path) -> None:
    """The pooling that modules.json names is put behind the graph."""
    folder = tiny_models.embedder(tmp_path, pooling=pooling)
    bundle = tiny_models.export(publish(folder), tmp_path / "bundle")
    reference.assert_embeds_like(folder, bundle)


def test_attention_is_fused_as_in_traced_graphs(tmp_path: Path) -> None:
    """The fusions apply to a graph that was taken in, and unused outputs are gone with their weights."""
    bundle = tiny_models.export(publish(tiny_models.embedder(tmp_path)), tmp_path / "bundle")
    graph = onnx.load(bundle.graph("fp32")).graph
    assert [node.op_type for node in graph.node].count("Attention") == 2
    assert not [tensor.name for tensor in graph.initializer if "pooler" in tensor.name]
    assert [output.name for output in graph.output] == ["embedding"]


def test_graph_that_was_optimized_already(tmp_path: Path) -> None:
    """A graph with onnxruntime's fused operators, such as model_O2.onnx, is taken in and quantized all the same."""
    folder = tiny_models.embedder(tmp_path)
    published = publish(folder)
    with quiet():
        optimized = optimize_model(
            str(published / "onnx" / "model.onnx"), "bert", num_heads=4, hidden_size=families.WIDTH
        )
    optimized.save_model_to_file(str(published / "onnx" / "model_O2.onnx"))
    bundle = tiny_models.export(published, tmp_path / "bundle", graph="onnx/model_O2.onnx", variants=tiny_models.BOTH)
    assert set(bundle.manifest.variants) == {"fp32", "int8-token"}
    reference.assert_embeds_like(folder, bundle)


@pytest.mark.parametrize("labels", [["LABEL_0"], ["irrelevant", "relevant"], ["relevant", "irrelevant"]])
def test_reranker_without_pytorch_weights(labels: list[str], tmp_path: Path) -> None:
    """The logits of one label, or of two, become one logit."""
    folder = tiny_models.encoder(tmp_path / "model", labels=labels)
    bundle = tiny_models.export(publish(folder, "reranker"), tmp_path / "bundle")
    assert bundle.manifest.kind == "reranker"
    assert bundle.manifest.source.architecture == "BertForSequenceClassification"
    expected = reference.scores(folder)
    expected = expected if len(labels) == 1 else expected[:, labels.index("relevant")]
    np.testing.assert_allclose(reference.bundle_scores(bundle), expected, atol=reference.SCORE_TOLERANCE)


def test_pytorch_weights_win_unless_a_graph_is_named(tmp_path: Path) -> None:
    """With both in a folder PyTorch's are traced; --graph takes the graph in and holds it against them."""
    published = publish(tiny_models.embedder(tmp_path), weights=True)
    traced, lines = told(published, tmp_path / "traced")
    assert (traced.manifest.reference, "graph" in traced.manifest.settings) == ("pytorch", False)
    assert "tracing it" in lines
    taken, lines = told(published, tmp_path / "taken", graph="onnx/model.onnx")
    assert taken.manifest.reference == "pytorch"
    assert "comparing fp32 with sentence-transformers" in lines
    assert taken.manifest.source.weights_sha256 != traced.manifest.source.weights_sha256  # over the graph's tensors
    reference.assert_embeds_like(published, taken)


def test_weights_hash_is_the_graphs_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    """The same graph elsewhere has the same hash; another graph is another model, and is exported anew."""
    published = publish(tiny_models.encoder(tmp_path / "model"))
    shutil.copytree(published, tmp_path / "elsewhere")
    out = tmp_path / "bundle"
    found = [tiny_models.export(folder, out) for folder in (published, tmp_path / "elsewhere")]
    assert len({bundle.manifest.source.weights_sha256 for bundle in found}) == 1
    _, lines = told(tmp_path / "elsewhere", out)
    assert lines.endswith("--force exports it again")
    other = publish(tiny_models.encoder(tmp_path / "other", seed=1))
    shutil.copy(other / "onnx" / "model.onnx", tmp_path / "elsewhere" / "onnx" / "model.onnx")
    again = tiny_models.export(tmp_path / "elsewhere", out)
    assert again.manifest.source.weights_sha256 != found[0].manifest.source.weights_sha256


@pytest.mark.parametrize("family", families.FAMILIES)
def test_positions_by_the_configuration_alone(family: str, tmp_path: Path) -> None:
    """Without weights the window's limit is read from config.json, and is what the layers would have told."""
    folder = tiny_models.encoder(tmp_path / "model", family)
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        body = AutoModel.from_config(config)
    assert onnx_import.positions(config) == model.positions(body) == families.WINDOW


def test_names_that_are_taken(tmp_path: Path) -> None:
    """A graph with an output or a value named as ours end is completed under other names."""
    folder = tiny_models.embedder(tmp_path)
    published = publish(folder)
    graph = onnx.load(published / "onnx" / "model.onnx")
    graph.graph.node.append(onnx.helper.make_node("Identity", ["last_hidden_state"], ["embedding"]))
    graph.graph.output.append(onnx.helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, None))
    onnx.save(graph, published / "onnx" / "model.onnx")
    reference.assert_embeds_like(folder, tiny_models.export(published, tmp_path / "bundle"))


def test_all_minilm_as_published(embedder_folder: Path, tmp_path: Path, bundles) -> None:
    """all-MiniLM-L6-v2, taken in as a graph, is the model that its PyTorch weights are."""
    folder = tmp_path / "all-MiniLM-L6-v2"
    shutil.copytree(embedder_folder, folder)
    taken = tiny_models.export(publish(folder), tmp_path / "taken")
    traced = load(bundles.embedder)
    for name in ("max_tokens", "dimensions", "pooling", "normalized", "kind"):
        assert getattr(taken.manifest, name) == getattr(traced.manifest, name)
    items = [*reference.QUERIES, *reference.PASSAGES]
    assert (tiny_models.outputs(taken, items) * tiny_models.outputs(traced, items)).sum(1).min() > 1 - 1e-6
    assert json.loads((taken.path / "manifest.json").read_text())["reference"] == "onnx"
