"""Which packages make a bundle, and in which versions they are here."""

import platform
from importlib import metadata

from .errors import ExportError

_PACKAGES = (
    "shortlist",
    "torch",
    "transformers",
    "optimum-onnx",
    "onnx",
    "tokenizers",
    "peft",
    "sentence-transformers",
)
# Three builds of one module; one of them is installed.
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")


def versions() -> dict[str, str]:
    """Return each tool's version.

    Raises:
        ExportError: one of them is not installed.
    """
    installed = {name: found for name in (*_PACKAGES, *_RUNTIMES) if (found := _version(name))}
    missing = [name for name in _PACKAGES if name not in installed]
    if not any(name in installed for name in _RUNTIMES):
        missing.append("onnxruntime")
    if missing:
        raise ExportError(
            f"an export needs {', '.join(missing)}; in a clone of Shortlist: pip install '.[cpu,export]'"
        )
    return {"python": platform.python_version(), **installed}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
