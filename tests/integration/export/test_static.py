"""`int8-static` of tiny models, where OpenVINO is not installed: made by name, judged and run on the plain CPU."""

from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
import pytest

import tiny_models
from shortlist.export import texts, variants
from shortlist.export.quantization import int8_range
from shortlist.export.settings import VARIANTS, ExportSettings
from shortlist.server import cores
from shortlist.server.runtime import variant_selection
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.variant_selection import Timings

pytestmark = pytest.mark.skipif(
    "OpenVINOExecutionProvider" in ort.get_available_providers(), reason="says what is so without OpenVINO"
)

COSINE = 0.99  # random weights bear int8 less well than trained ones
LOGIT = 0.1  # of the logits' spread


@pytest.fixture(scope="module", params=["bert", "modernbert"])
def embedder(request, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Export an embedder, of a family that has biases and of one that has none."""
    folder = tmp_path_factory.mktemp("embedder")
    model = tiny_models.embedder(folder / "model", request.param)
    return tiny_models.export(model, folder / "bundle", variants=("fp32", "int8-static"))


@pytest.fixture(scope="module")
def reranker(tiny_folders, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Export the reranker."""
    out = tmp_path_factory.mktemp("reranker") / "bundle"
    return tiny_models.export(tiny_folders.reranker, out, variants=("fp32", "int8-static"))


def test_vectors_are_near_fp32_s(embedder: Bundle):
    """Each text's vector points where fp32's does, and the manifest says what was found."""
    passages = [passage for _, passage in texts.questions_and_passages()]
    exact, found = (tiny_models.outputs(embedder, passages, variant) for variant in ("fp32", "int8-static"))
    cosines = (exact * found).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(found, axis=1)
    assert cosines.min() > COSINE
    assert embedder.manifest.variants["int8-static"].parity["cosine_mean"] > COSINE


def test_scores_are_near_fp32_s(reranker: Bundle):
    """Each pair's logit is near fp32's."""
    exact, found = (tiny_models.outputs(reranker, texts.pairs(), variant) for variant in ("fp32", "int8-static"))
    assert np.abs(exact - found).mean() < LOGIT * exact.std()


def test_results_do_not_depend_on_others(embedder: Bundle):
    """A text comes out the same alone and in a padded batch."""
    passages = [passage for _, passage in texts.questions_and_passages()][:16]
    alone, together = (tiny_models.outputs(embedder, passages, "int8-static", batch=batch) for batch in (1, 8))
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4)
    assert embedder.manifest.variants["int8-static"].batch_invariant


def test_the_manifest_says_where_it_was_measured(reranker: Bundle):
    """The variant is for OpenVINO; without it, its figures are the CPU's, and say so."""
    described = reranker.manifest.variants["int8-static"]
    assert (described.providers, described.measured_on) == (("openvino",), "cpu")
    assert described.precision == f"{int8_range.PRECISION}, fixed scales"


def test_it_is_made_by_default_where_openvino_is(monkeypatch: pytest.MonkeyPatch):
    """Without --variants, what is made follows from the installed providers."""
    settings = ExportSettings(out=Path("out"))
    assert "int8-static" not in variants.chosen(settings)
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["OpenVINOExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(cores, "flags", lambda: frozenset({"avx2"}))
    assert variants.chosen(settings) == [name for name in VARIANTS if name not in {"fp32", "bf16", "fp16"}]


@pytest.mark.parametrize(
    ("provider", "measured_on", "timed"),
    [
        ("cpu", "cpu", []),  # one variant for the CPU is no choice
        ("openvino", "cpu", ["fp32", "int8-static"]),
        ("openvino", "openvino", ["fp32", "int8-static"]),
    ],
)
def test_the_server_times_what_was_not_measured_where_it_runs(
    reranker: Bundle, tmp_path: Path, provider, measured_on: str, timed: list[str]
):
    """The CPU never runs the variant by itself, and on OpenVINO both are timed before one is chosen."""
    found: list[str] = []

    def load(name: str) -> variant_selection.Run:
        found.append(name)
        return lambda _: None

    changed = changed_to(reranker, missed="", measured_on=measured_on)
    chosen = variant_selection.choose(
        changed, variant_selection.AUTO, provider, (), Timings(tmp_path / "timings.json"), load
    )
    assert found == timed
    assert chosen == "fp32" or timed


def test_the_cpu_trusts_the_cpu_s_figures_alone(reranker: Bundle, tmp_path: Path):
    """Of two variants for the CPU, figures that another provider's runs gave decide nothing."""
    found: list[str] = []

    def load(name: str) -> variant_selection.Run:
        found.append(name)
        return lambda _: None

    for measured_on in ("cpu", "openvino"):
        changed = changed_to(reranker, missed="", providers=("cpu",), measured_on=measured_on)
        variant_selection.choose(changed, variant_selection.AUTO, "cpu", (), Timings(tmp_path / "timings.json"), load)
        assert found == ([] if measured_on == "cpu" else ["fp32", "int8-static"])


def changed_to(bundle: Bundle, **changes) -> Bundle:
    """Return a bundle with other descriptions of its variants."""
    variants = {name: msgspec.structs.replace(one, **changes) for name, one in bundle.manifest.variants.items()}
    return Bundle(bundle.path, msgspec.structs.replace(bundle.manifest, variants=variants))
