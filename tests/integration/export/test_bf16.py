"""`bf16`, which is judged on OpenVINO alone: refused by name where that is not, and made by default where it is."""

import re
from pathlib import Path

import onnxruntime as ort
import pytest

from shortlist.export import variants
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings
from shortlist.server import cores

OPENVINO = ["OpenVINOExecutionProvider", "CPUExecutionProvider"]


@pytest.mark.skipif("OpenVINOExecutionProvider" in ort.get_available_providers(), reason="says what is so without it")
def test_without_openvino_it_is_refused_by_name(make, tiny_folders, tmp_path: Path):
    """What no provider here can judge ends the export with the way out, before anything is written."""
    with pytest.raises(ExportError, match=r"^bf16 cannot be judged here: provider cpu .* with the extra openvino on"):
        make.export(tiny_folders.reranker, tmp_path / "out", variants=("fp32", "bf16"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [(), ("bf16",)])
@pytest.mark.parametrize(("flag", "can"), [("amx_bf16", True), ("avx512_bf16", True), ("avx2", False)])
def test_the_processor_decides(monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], flag: str, *, can: bool):
    """With OpenVINO it is made by default on a CPU that computes so; on another it is not, and not by name either."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: OPENVINO)
    monkeypatch.setattr(cores, "flags", lambda: frozenset({flag}))
    settings = ExportSettings(out=Path("out"), variants=given)
    if given and not can:
        with pytest.raises(ExportError, match=re.escape("this CPU has neither amx_bf16 nor avx512_bf16")):
            variants.chosen(settings)
    else:
        assert ("bf16" in variants.chosen(settings)) is can
