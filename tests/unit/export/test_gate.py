"""The gate, with tiny models: fp32 itself passes, a damaged copy fails by name, and figures are what they say."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import varying
from noise import damaged
from shortlist.export import gate
from shortlist.export.errors import ExportError
from shortlist.export.gate import Gate, Limits, TextGate
from shortlist.export.judging import Asked, Judging
from shortlist.server.runtime import bundle
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.manifest import Kind

KINDS: tuple[Kind, ...] = ("embedder", "reranker")
LIMITS = Limits(top10_overlap=0.98, kendall_tau=0.97, ndcg_loss=0.005)


@pytest.fixture(scope="module")
def loaded(tiny) -> dict[Kind, Bundle]:
    """Return the tiny models' bundles."""
    return {kind: bundle.load(getattr(tiny, kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def gates(make, loaded: dict[Kind, Bundle]) -> dict[Kind, Gate]:
    """Make a gate for each."""
    _, judges = make.some_texts().halves()
    return {kind: TextGate(*make.parts(one), judges, LIMITS, one.graph("fp32")) for kind, one in loaded.items()}


def test_fp32_itself_passes_as_an_embedder(gates: dict[Kind, Gate], loaded: dict[Kind, Bundle]):
    """Held against itself, an embedder keeps all neighbours, loses no nDCG and is the same in a batch."""
    judged = gates["embedder"].judge(loaded["embedder"].graph("fp32"))
    assert judged.missed == ""
    assert judged.batch_invariant
    assert judged.parity["top10_overlap"] == 1
    assert judged.parity["ndcg10_loss"] == 0
    assert judged.parity["cosine_min"] == pytest.approx(1)
    assert "kendall_tau" not in judged.parity


def test_fp32_itself_passes_as_a_reranker(gates: dict[Kind, Gate], loaded: dict[Kind, Bundle]):
    """Held against itself, a reranker keeps every order, loses no nDCG and is the same in a batch."""
    judged = gates["reranker"].judge(loaded["reranker"].graph("fp32"))
    assert judged.missed == ""
    assert judged.batch_invariant
    assert (judged.parity["kendall_tau"], judged.parity["ndcg10_loss"]) == (1, 0)
    assert judged.parity["score_change_max"] == 0
    assert "top10_overlap" not in judged.parity


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("embedder", r"top10_overlap 0\.\d{4} is below 0\.98"),
        ("reranker", r"kendall_tau -?0\.\d{4} is below 0\.97"),
    ],
)
def test_a_damaged_copy_fails_by_name(
    gates: dict[Kind, Gate], loaded: dict[Kind, Bundle], tmp_path: Path, kind: Kind, named: str
):
    """Noise as large as the weights is told with the figure, its value and the limit."""
    judged = gates[kind].judge(damaged(loaded[kind].graph("fp32"), tmp_path / "noisy.onnx", 1.0))
    assert re.match(named, judged.missed)
    assert judged.batch_invariant


@pytest.mark.parametrize("kind", KINDS)
def test_more_damage_is_more_change(gates: dict[Kind, Gate], loaded: dict[Kind, Bundle], tmp_path: Path, kind: Kind):
    """The change that the search goes by is 0 for fp32 itself and grows with the noise."""
    source = loaded[kind].graph("fp32")
    assert gates[kind].change(source) == 0
    little, much = (gates[kind].change(damaged(source, tmp_path / "noisy.onnx", noise)) for noise in (0.01, 0.1))
    assert 0 < little < much


@pytest.mark.parametrize("kind", KINDS)
def test_a_variant_that_varies_with_its_batch_is_told(make, loaded: dict[Kind, Bundle], tmp_path: Path, kind: Kind):
    """Dynamic int8 shares scales over a batch of short and long texts, which the gate sees."""
    texts = ["ink", "a metal type", " ".join(["paper mills and printing presses"] * 10)]
    judges = Judging("mixed", (Asked("ink", tuple(texts)),) * 4)
    mixed = TextGate(*make.parts(loaded[kind]), judges, LIMITS, loaded[kind].graph("fp32"))
    judged = mixed.judge(varying.quantize(loaded[kind].graph("fp32"), tmp_path / "dynamic.onnx"))
    assert not judged.batch_invariant
    assert judged.parity["batch_change_max"] > gate.ROUNDING
    assert mixed.judge(loaded[kind].graph("fp32")).batch_invariant


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_of_ndcg_fails_by_name(make, loaded: dict[Kind, Bundle], tmp_path: Path, kind: Kind):
    """Where fp32's own best is what is judged relevant, noise loses nDCG, which is named with its limit."""
    layout, written = make.parts(loaded[kind])
    source = loaded[kind].graph("fp32")
    lists = make.some_texts().lists[:8]
    first = TextGate(
        layout, written, Judging("unjudged", tuple(replace(one, grades=()) for one in lists)), LIMITS, source
    )
    if kind == "reranker":
        scores = first._expected.reshape(len(lists), -1)
    else:
        # What an embedder orders is all documents, so the nearest of them all is put into the list.
        documents = list(Judging("", lists).documents())
        similar = first._expected[len(documents) :] @ first._expected[: len(documents)].T
        nearest = [documents[place] for place in similar.argmax(axis=1)]
        lists = tuple(
            Asked(one.query, tuple(dict.fromkeys((best, *one.passages))))
            for one, best in zip(lists, nearest, strict=True)
        )
        assert set(documents) == set(Judging("", lists).documents())
        scores = np.array([[1.0, *[0.0] * 10]] * len(lists))
    judged_lists = tuple(
        replace(one, grades=tuple(int(place == best) for place in range(len(one.passages))))
        for one, best in zip(lists, scores.argmax(axis=1), strict=True)
    )
    strict = TextGate(layout, written, Judging("judged", judged_lists), Limits(0, -1, 0.005), source)
    assert strict.judge(source).parity["ndcg10_loss"] == 0
    judged = strict.judge(damaged(source, tmp_path / "noisy.onnx", 1.0))
    assert judged.parity["ndcg10_loss"] > 0.005
    assert judged.missed == f"ndcg10_loss {judged.parity['ndcg10_loss']:.4f} is above 0.005"


@pytest.mark.parametrize("kind", KINDS)
def test_without_judgements_no_ndcg_is_told(make, loaded: dict[Kind, Bundle], kind: Kind):
    """Queries that nobody judged give an order and neighbours, but no nDCG to lose."""
    lists = tuple(replace(one, grades=()) for one in make.some_texts().lists[:8])
    source = loaded[kind].graph("fp32")
    judged = TextGate(*make.parts(loaded[kind]), Judging("unjudged", lists), LIMITS, source).judge(source)
    assert "ndcg10_loss" not in judged.parity
    assert judged.missed == ""


def test_an_embedder_is_judged_on_texts_alone(make, loaded: dict[Kind, Bundle]):
    """Texts without a query have neighbours, so a list of them will do."""
    source = loaded["embedder"].graph("fp32")
    texts = Judging("texts", (), make.some_texts().documents()[:24])
    judged = TextGate(*make.parts(loaded["embedder"]), texts, LIMITS, source).judge(source)
    assert (judged.missed, judged.parity["texts"], judged.parity["top10_overlap"]) == ("", 24, 1)


def test_not_a_number_passes_nothing(gates: dict[Kind, Gate]):
    """Figures that are not a number are beyond every limit, nDCG's upper one too."""
    nan = float("nan")
    found = gates["embedder"]._missed({"top10_overlap": nan, "kendall_tau": nan, "ndcg10_loss": nan})
    assert found == "top10_overlap nan is below 0.98, kendall_tau nan is below 0.97, ndcg10_loss nan is above 0.005"


def test_figures_on_their_limits_pass(gates: dict[Kind, Gate]):
    """A limit is what is still allowed."""
    assert gates["embedder"]._missed({"top10_overlap": 0.98, "kendall_tau": 0.97, "ndcg10_loss": 0.005}) == ""


def test_texts_are_read_as_the_model_reads_them(make, loaded: dict[Kind, Bundle]):
    """An embedder's documents and queries get their prefixes; a reranker's pairs stand list by list; windows cut."""
    lists = (Asked("ink", ("paper", "metal " * 100)), Asked("type", ("press", "paper")))
    layout, written = make.parts(loaded["embedder"])
    prefixed = replace(layout, query_prefix="printing ", document_prefix="the ")
    single = gate.encoded(prefixed, written, Judging("", lists, ("old",)))
    words = [item.input_ids[1:-1].tolist() for item in single]
    alone = gate.encoded(layout, written, Judging("", (), ("the paper", "the press", "the old", "printing type")))
    tokens = [item.input_ids[1:-1].tolist() for item in alone]
    assert tokens == [words[0], words[2], words[3], words[5]]
    assert len(single) == 6
    assert len(single[1]) == written.max_tokens
    pairs = gate.encoded(*make.parts(loaded["reranker"]), Judging("", lists))
    assert len(pairs) == 4
    assert [bool(item.type_ids.any()) for item in pairs] == [True] * 4


def test_a_graph_that_cannot_be_loaded_is_named(gates: dict[Kind, Gate], tmp_path: Path):
    """A file that is no graph ends in an error of ours with the file's name."""
    path = tmp_path / "broken.onnx"
    path.write_text(json.dumps({}))
    with pytest.raises(ExportError, match=r"onnxruntime cannot load broken\.onnx"):
        gates["embedder"].judge(path)
