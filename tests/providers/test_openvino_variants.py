"""The variants for OpenVINO as export judges, times and keeps them."""

import json
from pathlib import Path

import pytest

from shortlist.bench.studies import variants
from shortlist.export.errors import ExportError
from shortlist.server.runtime import bundle, variant_selection, variant_timings
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.providers import Target

pytestmark = pytest.mark.usefixtures("openvino")

NEAR = 0.05  # of scores from 0 to 1, with int8 and random weights
QUERY = "how tall is the tower"
DOCUMENTS = ["the tower is " + "very " * count + "tall" for count in range(0, 60, 3)] + ["a river", "copper and tin"]


def test_int8_static_is_measured_where_it_runs(static: bundle.Bundle):
    """The variant for OpenVINO is judged and timed on it, and fp32 on the CPU; no score depends on others."""
    variants = static.manifest.variants
    assert {name: one.measured_on for name, one in variants.items()} == {"fp32": "cpu", "int8-static": "openvino"}
    assert variants["int8-static"].providers == ("openvino",)
    assert variants["int8-static"].batch_invariant


def test_the_benchmark_holds_it_against_the_cpu_provider(
    static: bundle.Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """One command times fp32 on the CPU provider and what OpenVINO runs, with the former as the base."""
    lists = tmp_path / "lists.json"
    lists.write_text(json.dumps([{"query": QUERY, "hits": [{"content": text} for text in DOCUMENTS[:4]]}]))
    given = ["--reranker", str(static.path), "--candidates", str(lists), "--providers", "openvino", "--rounds", "1"]
    monkeypatch.setattr("sys.argv", ["variants", *given])
    assert variants.main() == 0
    found = [(one["variant"], one["provider"], one["speed"]) for one in json.loads(lines(capsys)[-1])]
    assert found[0] == ("fp32", "cpu", 1.0)
    assert [one[:2] for one in found[1:]] == [("fp32", "openvino"), ("int8-static", "openvino")]


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was printed."""
    return capsys.readouterr().out.splitlines()


def test_bf16_is_fp32_s_file_judged_as_it_runs(rough: bundle.Bundle):
    """No second graph is written, and the figures are those of OpenVINO in bf16: not those of fp32."""
    fp32, found = (rough.manifest.variants[name] for name in ("fp32", "bf16"))
    assert found.files == fp32.files
    assert sorted(path.name for path in rough.path.iterdir()) == ["fp32.onnx", "manifest.json", "tokenizer.json"]
    assert (found.precision, found.providers, found.measured_on) == ("bf16", ("openvino", "tensorrt"), "openvino")
    assert 0 < found.parity["score_change_max"] < NEAR
    assert found.ns_per_token.keys() == fp32.ns_per_token.keys()


def test_bf16_without_fp32_keeps_the_file(make, tiny_folders, tmp_path: Path, rough: bundle.Bundle):
    """Where bf16 alone is asked for, fp32's file is there and fp32 is no choice."""
    only = make.export(tiny_folders.reranker, tmp_path / "reranker", variants=("bf16",))
    assert list(only.manifest.variants) == ["bf16"]
    assert only.manifest.variants["bf16"].files == rough.manifest.variants["bf16"].files
    only.verify("bf16")


def test_bf16_that_fails_its_gate_is_left_out(make, tiny_folders, tmp_path: Path, rough: bundle.Bundle):
    """Left out, bf16 takes fp32's file with it only where nothing else needs it."""
    strict = {"least_tau": 1.0, "most_ndcg_loss": 0.0}
    kept = make.export(tiny_folders.reranker, tmp_path / "kept", variants=("fp32", "bf16"), **strict)
    assert list(kept.manifest.variants) == ["fp32"]
    kept.verify("fp32")
    with pytest.raises(ExportError, match="no variant of bf16 passed"):
        make.export(tiny_folders.reranker, tmp_path / "none", variants=("bf16",), **strict)


def test_auto_takes_bf16_where_it_is_the_fastest(rough: bundle.Bundle, tmp_path: Path):
    """Both are loaded and timed on OpenVINO, and the faster one is the choice; the CPU provider has fp32 alone."""
    found: list[str] = []

    def load(name: str) -> variant_selection.Run:
        found.append(name)
        return Graph(rough, name, Target("openvino"), 0).run_length

    timings = variant_selection.Timings(tmp_path / "timings.json")
    chosen = variant_selection.choose(rough, variant_selection.AUTO, "openvino", (), timings, load)
    assert found == ["fp32", "bf16"]
    (times,) = json.loads((tmp_path / "timings.json").read_text()).values()
    assert chosen == min(times, key=lambda name: variant_timings.typical(times[name]))
    assert variant_selection.passed(rough, "cpu") == ["fp32"]
