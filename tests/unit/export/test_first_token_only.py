"""The last layer computes the first token only, where that is all a model reads: the same numbers, fewer of them."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import reference
import tiny_models
from shortlist.export import first_token_only


def shapes_before_the_head(path, feeds):
    """Return how many rows each LayerNormalization of a graph computes."""
    model = onnx.load(path)
    names = [node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [value.shape[1] for value in session.run(names, feeds)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return a cross-encoder's folder, whose head reads the first token."""
    return tiny_models.encoder(tmp_path_factory.mktemp("model") / "model", labels=["LABEL_0"])


@pytest.fixture(scope="module")
def reranker(model, tmp_path_factory):
    """Return its bundle."""
    return tiny_models.export(model, tmp_path_factory.mktemp("reranker") / "bundle")


def test_the_last_layer_computes_one_row(reranker):
    """Of the layers' normalizations those of the last have one row, the others a row a token."""
    ids = np.ones((1, 9), np.int64)
    feeds = {"input_ids": ids, "attention_mask": ids, "token_type_ids": ids * 0}
    rows = shapes_before_the_head(reranker.graph("fp32"), feeds)
    assert rows[-2:] == [1, 1]
    assert set(rows[:-2]) == {9}


def test_mean_pooling_needs_every_token(tmp_path):
    """An embedder that pools by the mean is left alone."""
    made = tiny_models.export(tiny_models.embedder(tmp_path / "model"), tmp_path / "bundle")
    assert not first_token_only.cut(made.graph("fp32"), tmp_path / "cut.onnx")
    assert not (tmp_path / "cut.onnx").exists()


def test_the_numbers_stay(reranker, model, tmp_path, monkeypatch):
    """A graph that computes every token gives the same logits to the last bit, alone and in padded batches."""
    monkeypatch.setattr(first_token_only, "cut", lambda *_: False)
    whole = tiny_models.export(model, tmp_path / "whole")
    for batch in (1, 5):
        expected = tiny_models.outputs(whole, reference.PAIRS, batch=batch)
        np.testing.assert_array_equal(tiny_models.outputs(reranker, reference.PAIRS, batch=batch), expected)
