"""The gate of late-interaction models: fp32 itself passes, and a damaged copy and one that varies are told."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import late_models
import tiny_models
import varying
from noise import damaged
from shortlist.export import gate, layout, source
from shortlist.export.errors import ExportError
from shortlist.export.gate import Limits
from shortlist.export.judging import Asked, Judging
from shortlist.export.late_interaction.gate import TokenGate
from shortlist.export.tokenizer import Written
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.late_interaction import TokenReader, maxsim

LIMITS = Limits(top10_overlap=0.98, kendall_tau=0.97, ndcg_loss=0.005)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a tiny model that expands queries and skips punctuation."""
    return late_models.pylate(tmp_path_factory.mktemp("late") / "model")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    """Export it."""
    return tiny_models.export(folder, folder.parent / "bundle")


def gate_of(folder: Path, bundle: Bundle, judging: Judging, limits: Limits = LIMITS) -> TokenGate:
    """Return the gate of a bundle on some texts."""
    manifest = bundle.manifest
    found = layout.read(source.resolve(str(folder)), "auto")
    written = Written(bundle.tokenizer, manifest.pad_token_id, manifest.max_tokens)
    return TokenGate(found, written, manifest.late_interaction, judging, limits, bundle.graph("fp32"))


@pytest.fixture(scope="module")
def whole(folder: Path, bundle: Bundle) -> TokenGate:
    """Return the gate on some of the texts that ship."""
    return gate_of(folder, bundle, tiny_models.some_texts().halves()[1])


def test_fp32_itself_passes(whole: TokenGate, bundle: Bundle) -> None:
    """Held against itself it keeps every order, loses no nDCG, and is the same in a batch."""
    judged = whole.judge(bundle.graph("fp32"))
    assert judged.missed == ""
    assert judged.batch_invariant
    assert (judged.parity["kendall_tau"], judged.parity["ndcg10_loss"]) == (1, 0)
    assert judged.parity["maxsim_change_max"] == 0
    assert whole.change(bundle.graph("fp32")) == 0


def test_a_damaged_copy_fails_by_name(whole: TokenGate, bundle: Bundle, tmp_path: Path) -> None:
    """Noise as large as the weights is told with the figure, its value and the limit; more noise is more change."""
    judged = whole.judge(damaged(bundle.graph("fp32"), tmp_path / "noisy.onnx", 1.0))
    assert re.match(r"kendall_tau -?0\.\d{4} is below 0\.97", judged.missed)
    little, much = (
        whole.change(damaged(bundle.graph("fp32"), tmp_path / "noisy.onnx", noise)) for noise in (0.01, 0.1)
    )
    assert 0 < little < much


def test_one_that_varies_with_its_batch_is_told(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    """Dynamic int8 shares scales over a batch of short and long texts, which tells in token vectors."""
    texts = ("ink", "a metal type", " ".join(["paper mills and printing presses"] * 10))
    mixed = gate_of(folder, bundle, Judging("mixed", (Asked("ink", texts),) * 4))
    judged = mixed.judge(varying.quantize(bundle.graph("fp32"), tmp_path / "dynamic.onnx"))
    assert not judged.batch_invariant
    assert judged.parity["batch_change_max"] > gate.ROUNDING


def test_a_loss_of_ndcg_fails_by_name(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    """Where fp32's own best by MaxSim is what is judged relevant, noise loses nDCG, which is named with its limit."""
    reader = TokenReader.of(bundle)
    lists = tiny_models.some_texts().lists[:8]
    documents = Judging("", lists).documents()
    first = gate_of(folder, bundle, Judging("unjudged", tuple(replace(one, grades=()) for one in lists)))
    vectors = first._expected
    kept = [
        reader.merged(reader.kept(item, one, "document"), "document")
        for item, one in zip(reader.read(documents, "document"), vectors, strict=False)
    ]
    queries = zip(reader.read([one.query for one in lists], "query"), vectors[len(documents) :], strict=True)
    best = [documents[int(maxsim(reader.kept(item, one, "query"), kept).argmax())] for item, one in queries]
    judged = tuple(
        Asked(one.query, tuple(dict.fromkeys((near, *one.passages))), (1, *[0] * (len({near, *one.passages}) - 1)))
        for one, near in zip(lists, best, strict=True)
    )
    strict = gate_of(folder, bundle, Judging("judged", judged), Limits(0, -1, 0.005))
    assert strict.judge(bundle.graph("fp32")).parity["ndcg10_loss"] == 0
    found = strict.judge(damaged(bundle.graph("fp32"), tmp_path / "noisy.onnx", 1.0))
    assert found.parity["ndcg10_loss"] > 0.005
    assert found.missed == f"ndcg10_loss {found.parity['ndcg10_loss']:.4f} is above 0.005"


def test_without_judgements_no_ndcg_is_told(folder: Path, bundle: Bundle) -> None:
    """Queries that nobody judged give an order, and no nDCG to lose."""
    lists = tuple(replace(one, grades=()) for one in tiny_models.some_texts().lists[:8])
    judged = gate_of(folder, bundle, Judging("unjudged", lists)).judge(bundle.graph("fp32"))
    assert "ndcg10_loss" not in judged.parity
    assert np.isfinite(list(judged.parity.values())).all()


def test_texts_of_ones_own_need_queries(folder: Path, tmp_path: Path) -> None:
    """Texts without queries have no order by MaxSim, so a file of them is refused with what a line should be."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(f"the press of {number}" for number in range(60)), encoding="utf-8")
    with pytest.raises(ExportError, match=r"0 queries .* but a late-interaction model needs 8: lines such as"):
        tiny_models.export(folder, tmp_path / "bundle", calibration=path)
