"""`shortlist export`: one model to one bundle, or nothing to do.

    resolve -> up to date? -> [load -> trace -> fuse -> compare -> quantize -> compare] -> into place

What is before the bracket imports neither torch nor transformers, so that a second run ends in a second.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import onnxruntime as ort
from threadpoolctl import threadpool_limits

from shortlist.server.runtime import bundle
from shortlist.server.runtime.bundle import Bundle

from . import atomic_dir, source, tools
from .errors import ExportError
from .settings import ExportSettings
from .source import Origin


def run(model: str, settings: ExportSettings, progress: Callable[[str], None]) -> Bundle:
    """Export a model to the bundle `settings.out`; do nothing if it is there already.

    Args:
        model: what to export.
        settings: how, and where to.
        progress: takes one line a step.

    Raises:
        ExportError: the model cannot be exported or fails the comparison with PyTorch, and no bundle was written
            (one that was there stays); the message says why.
    """
    origin = source.resolve(model, settings.revision, settings.base, settings.graph)
    found = atomic_dir.existing(settings.out)
    asked = _asked(settings, origin)
    if found is not None and not settings.force and _current(found, asked):
        progress(f"{settings.out} is up to date: same model, settings and tools; --force exports it again")
        return found
    progress("Importing PyTorch")
    from .build import build  # noqa: PLC0415 (seconds of imports, which the check above spares)

    start = time.monotonic()
    # What takes long runs an item a core; the threads of a matrix product beside these wait for each other.
    with threadpool_limits(1), atomic_dir.replacing(settings.out) as folder:
        build(settings, origin, asked, folder, progress)
    progress(f"Wrote {settings.out} in {time.monotonic() - start:.0f} s")
    return bundle.load(settings.out)


def _asked(settings: ExportSettings, origin: Origin) -> dict[str, str]:
    """Return what decides a bundle's content, beside the tools."""
    prefixes = {"query_prefix": settings.query_prefix, "document_prefix": settings.document_prefix}
    return {
        "model": origin.name,
        "revision": origin.revision,
        "files_sha256": origin.files_sha256(),
        "kind": settings.kind,
        "variants": ",".join(sorted(settings.variants)) or ",".join(ort.get_available_providers()),
        "calibration": "" if settings.calibration is None else _sha256(settings.calibration),
        "limits": f"{settings.least_overlap} {settings.least_tau} {settings.most_ndcg_loss} {settings.keep_failing}",
        "max_tokens": str(settings.max_tokens),
        "relevant_label": settings.relevant_label,
        "similarity": f"{settings.similarity} {settings.similarity_weight} {settings.similarity_center}",
        **({"graph": origin.graph} if origin.graph else {}),
        **{name: prefix for name, prefix in prefixes.items() if prefix is not None},
    }


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ExportError(f"calibration {path} cannot be read: {error.strerror}") from error


def _current(found: Bundle, asked: dict[str, str]) -> bool:
    return found.manifest.settings == asked and found.manifest.tools == tools.versions() and atomic_dir.intact(found)
