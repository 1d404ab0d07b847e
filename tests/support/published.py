"""Folders with ONNX files as hubs publish them; the graphs are made with optimum, as those on hubs are."""

import shutil
from pathlib import Path
from typing import Any

from optimum.exporters.onnx import main_export

import tiny_models
from shortlist.export.app import run
from shortlist.export.settings import ExportSettings
from shortlist.export.silence import quiet
from shortlist.server.runtime.bundle import Bundle

TASKS = {"embedder": "feature-extraction", "reranker": "text-classification"}


def publish(folder: Path, kind: str = "embedder", *, library: str = "transformers", weights: bool = False) -> Path:
    """Return a copy of a model's folder with `onnx/model.onnx`, without PyTorch weights unless they are to stay."""
    target = folder.with_name(f"{folder.name}-published")
    shutil.copytree(folder, target)
    with quiet():
        main_export(str(folder), target / "onnx", task=TASKS[kind], library_name=library, do_validation=False)
    for path in target.glob("onnx/*.json"):  # hubs keep the configuration in the folder above
        path.unlink()
    if not weights:
        (target / "model.safetensors").unlink()
    return target


def told(folder: Path, out: Path, **settings: Any) -> tuple[Bundle, str]:
    """Export, and return what progress told beside the bundle."""
    lines: list[str] = []
    chosen = {"variants": ("fp32",), **tiny_models.OPEN_GATE, **settings}
    return run(str(folder), ExportSettings(out=out, **chosen), lines.append), "\n".join(lines)
