"""Where a model comes from: a hub, a folder, an installed package, a PEFT adapter on any of them.

Resolves a name to folders on this machine and identifies their files, which is how a second run sees that nothing
has changed. Imports neither torch nor transformers, so that such a run ends in a second.
"""

import hashlib
import importlib.util
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from shortlist.server.fusion import Fusion
from shortlist.server.settings import MAX_SIMILARITY_WEIGHT

from . import published
from .errors import ExportError

PACKAGE = "package:"
ADAPTER_CONFIG = "adapter_config.json"
# Beside a model's weights: how its makers would have it served, such as
# {"similarity_weight": 8, "similarity_center": 0.4}.
RECOMMENDED = "shortlist.json"

# What an export reads. Model repositories also hold the same weights for other runtimes, often gigabytes.
_READ = ("*.json", "*.txt", "*.model", "*.safetensors", "artifact.metadata")
_PICKLED = ("pytorch_model*.bin", "adapter_model.bin")
_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
_LEFT_OUT = ("onnx", "openvino")


@dataclass(frozen=True, slots=True)
class Origin:
    """A model's files on this machine."""

    name: str  # model id, the Python package's name, or the folder's: what people know the model by
    revision: str  # commit of the hub's repository; empty for a folder
    folder: Path  # configuration and weights; of the base model if there is an adapter
    adapter: Path | None = None
    graph: str = ""  # ONNX file in the folder to take in; empty: PyTorch's weights are traced

    def find(self, name: str) -> Path | None:
        """Return the path of a file, the adapter's own before the base model's."""
        folders = (self.folder,) if self.adapter is None else (self.adapter, self.folder)
        return next((folder / name for folder in folders if (folder / name).is_file()), None)

    def files_sha256(self) -> str:
        """Identify everything that an export reads by names and contents."""
        digest = hashlib.sha256()
        for folder in filter(None, (self.folder, self.adapter)):
            taken = published.files(folder / self.graph) if self.graph and folder == self.folder else []
            for path in (*_readable(folder), *taken):
                with path.open("rb") as stream:
                    found = hashlib.file_digest(stream, "sha256").hexdigest()
                digest.update(f"{path.relative_to(folder).as_posix()} {found}\n".encode())
        return digest.hexdigest()


def resolve(model: str, revision: str = "", base: str = "", graph: str = "") -> Origin:
    """Find a model, and its base if it is a PEFT adapter.

    Args:
        model: model id, folder, or package:NAME/FOLDER.
        revision: branch, tag or commit of a model id.
        base: overrides the base model that an adapter's configuration names.
        graph: ONNX file to take in; without one, a folder without PyTorch weights gives its fp32 graph.

    Raises:
        ExportError: nothing is there, or the hub cannot be reached.
    """
    found = _located(model, revision, graph)
    if not (found.folder / ADAPTER_CONFIG).is_file():
        if base:
            raise ExportError(f"{model} is no PEFT adapter ({ADAPTER_CONFIG} is not there); leave base {base} out")
        if graph or (not has_weights(found.folder) and published.has_graphs(found.folder)):
            return replace(found, graph=published.chosen(found.folder, found.name, graph))
        return found
    if graph:
        raise ExportError(
            f"{model} is a PEFT adapter, which cannot be merged into a graph; leave --graph {graph} out"
        )
    config = read_json(found.folder / ADAPTER_CONFIG)
    named = base or config.get("base_model_name_or_path") or ""
    if not named:
        raise ExportError(f"adapter {model} names no base model; name it with --base")
    beside = found.folder / named
    try:
        under = _located(str(beside) if not base and beside.is_dir() else named, config.get("revision") or "")
    except ExportError as error:
        raise ExportError(f"adapter {model}: its base model is not there; name it with --base ({error})") from error
    if (under.folder / ADAPTER_CONFIG).is_file():
        raise ExportError(
            f"base {named} of adapter {model} is an adapter itself; merge the two, then export the result"
        )
    return Origin(found.name, found.revision, under.folder, found.folder)


def read_json(path: Path) -> Any:
    """Parse a configuration file.

    Raises:
        ExportError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(f"{path} is not JSON ({error}); repair it or fetch the model again") from error


def recommended(origin: Origin) -> Fusion:
    """Return the final order that a model's makers recommend; without their word, that of the score alone.

    Raises:
        ExportError: their file says something else.
    """
    if (path := origin.find(RECOMMENDED)) is None:
        return Fusion()
    match read_json(path):
        case {"similarity_weight": int() | float() as weight, "similarity_center": int() | float() as center, **more}:
            if not more and 0 <= weight <= MAX_SIMILARITY_WEIGHT and -1 <= center <= 1:
                return Fusion(float(weight), float(center))
    raise ExportError(
        f'{path} holds something else than {{"similarity_weight": W, "similarity_center": C}}, W from 0 to'
        f" {MAX_SIMILARITY_WEIGHT} and C from -1 to 1; mend it, or remove it"
    )


def has_weights(folder: Path) -> bool:
    """Return whether a model's folder holds PyTorch weights."""
    places = (folder, *folder.glob("*_Transformer"))
    return any(any(place.glob(pattern)) for place in places for pattern in _WEIGHTS)


def _located(model: str, revision: str, graph: str = "") -> Origin:
    if model.startswith(PACKAGE):
        return _in_package(model)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return Origin(folder.resolve().name, "", folder.resolve())
    if folder.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise ExportError(f"there is no folder {model}; name a folder, a model id or package:NAME/FOLDER")
    return _downloaded(model, revision, graph)


def _in_package(model: str) -> Origin:
    name, _, inside = model.removeprefix(PACKAGE).partition("/")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / inside).is_dir():
            return Origin(name, "", Path(place) / inside)
    missing = f"has no folder {inside}" if spec else "is not installed"
    raise ExportError(f"{model}: the Python package {name} {missing}; install it, or name another model")


def _downloaded(model: str, revision: str, graph: str) -> Origin:
    def fetch(patterns: Iterable[str], ignored: Iterable[str] = ()) -> Path:
        allowed = list(patterns)
        return Path(
            snapshot_download(model, revision=revision or None, allow_patterns=allowed, ignore_patterns=list(ignored))
        )

    try:
        folder = fetch(_READ, (f"{other}/*" for other in _LEFT_OUT))
        places = (folder, *folder.glob("*_Transformer"), *folder.glob("*_Dense"))
        bare = [place for place in places if not any(place.glob("*.safetensors"))]
        if bare:  # pickled weights, only where there are no others
            prefixes = ["" if place == folder else f"{place.name}/" for place in bare]
            fetch(f"{prefix}{name}" for prefix in prefixes for name in _PICKLED)
        if graph or not (has_weights(folder) or (folder / ADAPTER_CONFIG).is_file()):
            graphs = (graph,) if graph else published.STANDARD
            fetch(f"{name}{end}" for name in graphs for end in ("", "_data*", ".data*"))  # large weights lie beside
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise ExportError(
            f"model {model} is no folder here and cannot be fetched from the hub ({reason});"
            " check the name and the network, or name a folder"
        ) from error
    return Origin(model, folder.name, folder)  # the snapshot's folder is named after its commit


def _readable(folder: Path) -> list[Path]:
    paths = [path for pattern in (*_READ, *_PICKLED) for path in folder.rglob(pattern)]
    return sorted(path for path in paths if path.relative_to(folder).parts[0] not in _LEFT_OUT)
