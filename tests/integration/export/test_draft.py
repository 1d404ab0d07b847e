"""A bundle is loaded and run by the server's own code before it takes another's place."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import tiny_models
from shortlist.export import app, build, variants
from shortlist.export.errors import ExportError
from shortlist.export.gate import Judged
from shortlist.export.settings import ExportSettings
from shortlist.server.runtime.bundle import load
from shortlist.server.runtime.manifest import Manifest


def files(folder: Path) -> dict[str, bytes]:
    """Return a bundle's files."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _not_finite(material: variants.Material, target: Path) -> variants.Made:
    """Write a graph whose numbers are none, and say that the gate passed it."""
    graph = onnx.load(material.fp32)
    for tensor in graph.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim > 1:
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(array, np.nan), tensor.name))
    onnx.save(graph, target)
    return variants.Made(target, "int8-token", Judged({}, batch_invariant=True, missed=""))


def test_a_variant_that_does_not_run(tiny_folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new bundle with a graph that gives no numbers is refused, and the one that was there stays as it was."""
    out = tmp_path / "bundle"
    tiny_models.export(tiny_folders.reranker, out)
    before = files(out)
    monkeypatch.setitem(variants.MAKERS, "int8-token", _not_finite)
    with pytest.raises(ExportError, match="int8-token gives numbers that are not finite; no bundle was written"):
        tiny_models.export(tiny_folders.reranker, out, variants=tiny_models.BOTH)
    assert files(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"max_tokens": 7}, r"Expected `int` >= 8 - at `\$\.max_tokens`"),
        ({"query_prefix": "ask "}, "fp32, loaded as the server does"),
    ],
)
def test_a_manifest_that_says_something_else(
    change: dict[str, object], named: str, tiny_folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the manifest says wrongly comes out when the server's code goes by it, and the old bundle stays."""
    out = tmp_path / "bundle"
    tiny_models.export(tiny_folders.embedder, out)
    before = files(out)
    right = build._manifest

    def wrong(*given: object) -> Manifest:
        return msgspec.structs.replace(right(*given), **change)

    monkeypatch.setattr(build, "_manifest", wrong)
    settings = ExportSettings(out=out, variants=("fp32",), force=True)
    with pytest.raises(ExportError, match=named):
        app.run(str(tiny_folders.embedder), settings, lambda _: None)
    assert files(out) == before
    load(out)
