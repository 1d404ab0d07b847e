"""What is put behind a published graph computes what the same thing computes in PyTorch, in every opset."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

import graphs
from shortlist.export import append_head, pooling_heads
from shortlist.export.pooling_config import Pooling

OPSETS = (11, 13, 17, 18, 21)
IDS = np.array([[1, 5, 7, 9, 2], [1, 8, 2, 0, 0], [3, 0, 0, 0, 0]], np.int64)
MASK = (IDS > 0).astype(np.int64)
FEEDS = {"input_ids": IDS, "attention_mask": MASK}


def run(model) -> np.ndarray:
    """Run a graph on texts of several lengths."""
    (output,) = (entry.name for entry in model.graph.output)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = {entry.name for entry in session.get_inputs()}
    (found,) = session.run([output], {name: FEEDS[name] for name in inputs})
    return found


def linear(outputs: int, activation: nn.Module, *, bias: bool = True) -> nn.Sequential:
    """Make a dense layer with random weights."""
    torch.manual_seed(outputs)
    return nn.Sequential(nn.Linear(graphs.WIDTH, outputs, bias=bias), activation)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_pooling_and_normalization(pooling: Pooling, opset: int, tmp_path: Path) -> None:
    """Each pooling, normalized, is blind to padding as PyTorch's is."""
    model = graphs.encoder(opset=opset)
    head = pooling_heads.EmbeddingHead(pooling, nn.Sequential(pooling_heads.Normalize()))
    append_head.append(model, "last_hidden_state", head, "embedder", tmp_path)
    expected = head(torch.from_numpy(graphs.table()[IDS]), torch.from_numpy(MASK)).numpy()
    np.testing.assert_allclose(run(model), expected, atol=1e-6)


@pytest.mark.parametrize("opset", [OPSETS[0], OPSETS[-1]])
@pytest.mark.parametrize("activation", ["Identity", "Tanh", "ReLU", "GELU", "Sigmoid", "SiLU"])
def test_dense_layers(activation: str, opset: int, tmp_path: Path) -> None:
    """A dense layer with every activation that model.py lets through, with a bias and without."""
    for bias in (True, False):
        model = graphs.encoder(opset=opset)
        steps = nn.Sequential(linear(4, getattr(nn, activation)(), bias=bias)).requires_grad_(requires_grad=False)
        append_head.append(
            model, "last_hidden_state", pooling_heads.EmbeddingHead("cls", steps), "embedder", tmp_path
        )
        expected = steps(torch.from_numpy(graphs.table()[IDS[:, 0]])).numpy()
        np.testing.assert_allclose(run(model), expected, atol=1e-6)


def test_a_vector_of_zeros_stays_zeros(tmp_path: Path) -> None:
    """Normalization divides by no zero, as in PyTorch."""
    model = graphs.encoder(output="sentence_embedding")
    for tensor in model.graph.initializer:
        tensor.raw_data = bytes(len(tensor.raw_data))
    head = pooling_heads.EmbeddingHead(None, nn.Sequential(pooling_heads.Normalize()))
    append_head.append(model, "sentence_embedding", head, "embedder", tmp_path)
    assert not run(model).any()


def test_logits(tmp_path: Path) -> None:
    """A logit is a label's own, or the positive's less the negative's."""
    logits = graphs.table()[IDS[:, 0]]
    for positive, negative in ((0, None), (1, 0), (0, 1)):
        model = graphs.encoder(output="logits")
        append_head.append(model, "logits", pooling_heads.LogitHead(positive, negative), "reranker", tmp_path)
        expected = logits[:, positive] - (0 if negative is None else logits[:, negative])
        np.testing.assert_allclose(run(model), expected)


def test_names_stay_apart(tmp_path: Path) -> None:
    """No two nodes of a completed graph have the same name or output."""
    model = graphs.encoder()
    head = pooling_heads.EmbeddingHead("mean", nn.Sequential(pooling_heads.Normalize(), pooling_heads.Normalize()))
    append_head.append(model, "last_hidden_state", head, "embedder", tmp_path)
    outputs = sorted(name for node in model.graph.node for name in node.output)
    assert all(first != second for first, second in pairwise(outputs))
