"""One scale a token: close to fp32, the same in any company, and nothing left over in the graph."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

import varying
from shortlist.export import figures, graphs, inference
from shortlist.export.gate import ROUNDING, encoded
from shortlist.export.inference import Floats, Runner
from shortlist.export.quantization import scaling
from shortlist.export.quantization.token_scaled import Fitting, Quantizer
from shortlist.server.runtime import bundle
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.manifest import Kind
from shortlist.server.runtime.tokens import Encoded, Tokenizer, pad

KINDS: tuple[Kind, ...] = ("embedder", "reranker")
TOKENS, ALL = -1.0, float("inf")  # what one scale for all tokens may cost: one a token wherever it can be, or nowhere
LAYERS = 2  # of the tiny models
PRODUCTS = 4  # of a layer: the attention's, and those behind it, into the wide layer, and back


@dataclass(frozen=True, slots=True)
class Fitted:
    """A quantizer of a tiny model's graph, and the texts that it was not fitted to."""

    bundle: Bundle
    fitting: Fitting
    quantizer: Quantizer
    items: list[Encoded]
    calibration: list[inference.Feeds]

    def runner(self, graph: Path) -> Runner:
        manifest = self.bundle.manifest
        return Runner(graph, manifest.kind, manifest.pad_token_id)


@pytest.fixture(scope="module")
def fitted(make, tiny, tmp_path_factory) -> dict[Kind, Fitted]:
    """Fit both tiny models once."""
    found: dict[Kind, Fitted] = {}
    for kind in KINDS:
        loaded = bundle.load(getattr(tiny, kind))
        layout, written = make.parts(loaded)
        halves = [encoded(layout, written, half) for half in make.some_texts().halves()]
        given = [pad([item], written.pad_token_id) for item in halves[0]]
        fitting = Fitting(loaded.graph("fp32"), given, tmp_path_factory.mktemp(kind))
        found[kind] = Fitted(loaded, fitting, Quantizer(fitting, TOKENS), halves[1], given)
    return found


def cosines(first: Floats, second: Floats) -> Floats:
    """Return the cosine of each row of one with its row of the other."""
    return (first * second).sum(-1) / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)


def weights(graph: Path) -> dict[str, np.ndarray]:
    """Return a graph's weights by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graphs.load(graph).graph.initializer}


def test_an_embedders_vectors_stay_close(fitted: dict[Kind, Fitted], tmp_path: Path):
    """Every vector of texts that were not calibrated on keeps its direction to fp32's, cosine above 0.99."""
    one = fitted["embedder"]
    one.quantizer.write(tmp_path / "made.onnx")
    expected = one.runner(one.bundle.graph("fp32")).alone(one.items)
    found = one.runner(tmp_path / "made.onnx").alone(one.items)
    assert not np.array_equal(expected, found)
    assert cosines(expected, found).min() > 0.99


def test_a_rerankers_logits_stay_close(fitted: dict[Kind, Fitted], tmp_path: Path):
    """The logits of all pairs, less their mean, point where fp32's do, cosine above 0.99."""
    one = fitted["reranker"]
    one.quantizer.write(tmp_path / "made.onnx")
    expected = one.runner(one.bundle.graph("fp32")).alone(one.items)
    found = one.runner(tmp_path / "made.onnx").alone(one.items)
    assert cosines(expected - expected.mean(), found - found.mean()) > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_does_not_depend_on_its_batch(fitted: dict[Kind, Fitted], tmp_path: Path, kind: Kind):
    """Short texts, padded beside long ones, come out as they do alone; with dynamic int8 they do not."""
    one = fitted[kind]
    one.quantizer.write(tmp_path / "made.onnx")
    tokenizer = Tokenizer(one.bundle)
    short = ["type", "a metal", "old paper mills"]
    items = tokenizer.encode(short) if kind == "embedder" else tokenizer.encode_pairs("ink", short)
    ends = [*items, *one.items[:4]]
    assert max(map(len, ends[: len(short)])) < min(map(len, ends[len(short) :]))
    changes = {
        name: figures.change(kind, runner.alone(ends), runner.together(ends))
        for name, runner in (
            ("token", one.runner(tmp_path / "made.onnx")),
            ("dynamic", one.runner(varying.quantize(one.bundle.graph("fp32"), tmp_path / "dynamic.onnx"))),
        )
    }
    assert changes["token"] <= ROUNDING
    assert changes["dynamic"] > 100 * ROUNDING


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_found_in_the_graphs_order(fitted: dict[Kind, Fitted], kind: Kind):
    """A layer has a fused attention and three plain products, each with its weights and a name for people."""
    found = fitted[kind].quantizer.products
    assert [product.fused for product in found] == [True, False, False, False] * LAYERS
    assert [product.weight.shape for product in found] == [(32, 96), (32, 32), (32, 64), (64, 32)] * LAYERS
    assert len({product.label for product in found}) == LAYERS * PRODUCTS
    assert found[1].label == "layer.0/attention/output/dense"


@pytest.mark.parametrize("kind", KINDS)
def test_all_products_become_int8_and_nothing_is_left_over(fitted: dict[Kind, Fitted], tmp_path: Path, kind: Kind):
    """No fp32 weights of a product remain, each weight that is there is used, and each that is used is there."""
    one = fitted[kind]
    one.quantizer.write(tmp_path / "made.onnx")
    graph = graphs.load(tmp_path / "made.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("QAttention") == LAYERS
    assert kinds.count("MatMulIntegerToFloat") == LAYERS * (PRODUCTS - 1)
    assert "Attention" not in kinds
    assert kinds.count("MatMul") == (kind == "embedder")  # the mean of the tokens, which has no weights
    made = {name for node in graph.node for name in node.output}
    used = {name for node in graph.node for name in node.input if name}
    given = {entry.name for entry in graph.input}
    stored = [tensor.name for tensor in graph.initializer]
    assert len(set(stored)) == len(stored)
    assert set(stored) - used == set()
    assert used - made - given - set(stored) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_one_scale_for_all_tokens_measures_none(fitted: dict[Kind, Fitted], tmp_path: Path, kind: Kind):
    """Where no product has a scale a token, no row is measured, biases are a part of products, and it stays close."""
    one = fitted[kind]
    before = [node.op_type for node in graphs.load(one.bundle.graph("fp32")).graph.node]
    Quantizer(one.fitting, ALL).write(tmp_path / "made.onnx")
    after = [node.op_type for node in graphs.load(tmp_path / "made.onnx").graph.node]
    assert {"Abs", "ReduceMax", "Max", "Reciprocal"}.isdisjoint(after)
    assert before.count("Add") - after.count("Add") == 2 * LAYERS  # behind an attention, and behind the wide layer
    expected = one.runner(one.bundle.graph("fp32")).alone(one.items)
    found = one.runner(tmp_path / "made.onnx").alone(one.items)
    if kind == "reranker":
        expected, found = expected - expected.mean(), found - found.mean()
    assert cosines(expected, found).min() > 0.98


def test_smoothing_behind_an_attention_changes_no_result(fitted: dict[Kind, Fitted], tmp_path: Path):
    """In the scales of an attention's values, the smoothing gives what a Mul of its own gives, up to rounding."""
    one = fitted["embedder"]
    quantizer = Quantizer(one.fitting, ALL)
    quantizer.write(tmp_path / "folded.onnx")

    class Unfolded(Quantizer):
        def _folded(self, *_: object) -> dict[str, Floats]:
            return {}

    Unfolded(one.fitting, ALL).write(tmp_path / "unfolded.onnx")
    multiplied = [
        [node.op_type for node in graphs.load(tmp_path / f"{name}.onnx").graph.node].count("Mul")
        for name in ("folded", "unfolded")
    ]
    assert multiplied[0] < multiplied[1]
    folded, unfolded = (one.runner(tmp_path / f"{name}.onnx").alone(one.items) for name in ("folded", "unfolded"))
    # A value on the edge between two steps of uint8 may fall to either side: few elements differ, by little.
    assert cosines(folded, unfolded).min() > 0.9999


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.05, 0.3, 2.0])
def test_one_scale_for_all_stays_within_what_it_may_cost(fitted: dict[Kind, Fitted], share: float):
    """Products take one scale, the cheapest first, as long as their changes together grow by the share at most."""
    fitting = fitted["reranker"].fitting
    tokens = scaling.chosen(fitting.scalings, -1)
    found = scaling.chosen(fitting.scalings, share)
    most = (1 + max(share, 0)) * sum(one.change for one in tokens.values())
    assert sum(one.change for one in found.values()) <= most * (1 + 1e-6)
    costs = {
        product.name: fitting.scalings[product.name][0].change - tokens[product.name].change
        for product in fitting.products
        if not product.fused
    }
    fixed = [costs[name] for name in costs if found[name].fixed]
    assert max(fixed, default=-1.0) <= min([costs[name] for name in costs if not found[name].fixed], default=9.0)
    assert all(found[product.name].fixed for product in fitting.products if product.fused)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_keeps_its_weights(fitted: dict[Kind, Fitted], tmp_path: Path, kind: Kind):
    """A kept attention and a kept product have their fp32 weights to the last bit, and only they have any."""
    one = fitted[kind]
    kept = [one.quantizer.products[0], one.quantizer.products[3]]
    one.quantizer.write(tmp_path / "made.onnx", {product.name for product in kept})
    before, after = weights(one.bundle.graph("fp32")), weights(tmp_path / "made.onnx")
    nodes = {node.output[0]: node for node in graphs.load(one.bundle.graph("fp32")).graph.node}
    for product in one.quantizer.products:
        name = nodes[product.name].input[1]
        assert (name in after) == (product in kept)
        if name in after:
            np.testing.assert_array_equal(before[name], after[name])
            np.testing.assert_array_equal(product.weight, after[name])


@pytest.mark.parametrize("kind", KINDS)
def test_with_everything_kept_it_is_fp32(fitted: dict[Kind, Fitted], tmp_path: Path, kind: Kind):
    """Leaving every product out gives fp32's numbers, all bits of them."""
    one = fitted[kind]
    one.quantizer.write(tmp_path / "made.onnx", [product.name for product in one.quantizer.products])
    expected = one.runner(one.bundle.graph("fp32")).alone(one.items)
    np.testing.assert_array_equal(expected, one.runner(tmp_path / "made.onnx").alone(one.items))


def test_the_same_texts_make_the_same_graph(fitted: dict[Kind, Fitted], tmp_path: Path):
    """Fitting is repeatable: a second quantizer writes the same bytes, and leaves no file of its own."""
    one = fitted["embedder"]
    one.quantizer.write(tmp_path / "first.onnx")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    Quantizer(Fitting(one.bundle.graph("fp32"), one.calibration, scratch), TOKENS).write(tmp_path / "second.onnx")
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()
    assert list(scratch.iterdir()) == []
