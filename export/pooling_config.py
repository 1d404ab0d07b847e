"""The modules of a sentence-transformers folder, as modules.json lists them: pooling, and the steps after it.

Knows no weights; refuses by name what a graph of ours does not compute.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import ExportError
from .source import Origin, read_json

Pooling = Literal["mean", "cls", "max"]

_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "max": "max"}
# sentence-transformers before 5.1 wrote one flag a mode.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer after the pooling, whose weights lie in `folder`."""

    folder: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str  # path of a torch class, such as "torch.nn.modules.activation.Tanh"
    residual: bool = False  # whether its input, projected where it is of another width, is added to the result


@dataclass(frozen=True, slots=True)
class Normalize:
    """The division of a vector by its length."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """The first elements of a vector, for models that are trained to be cut (`truncate_dim`)."""

    dimensions: int


Step = Dense | Normalize | Truncate


def read(origin: Origin) -> list[Any]:
    """Return the entries of modules.json; none where there is no such file."""
    path = origin.find("modules.json")
    return [] if path is None else list(read_json(path))


def class_name(entry: Any) -> str:
    """Return the name of a module's class, without its path where sentence-transformers has it."""
    path: str = entry["type"]
    # A class from elsewhere may have the name of one that is known; it keeps its whole path, and is refused.
    return path.rsplit(".", 1)[-1] if path.startswith("sentence_transformers.") else path


def folder(origin: Origin, entry: Any) -> Path:
    """Return the folder of a module's files.

    Raises:
        ExportError: it has no config.json.
    """
    path = origin.find(f"{entry['path']}/config.json")
    if path is None:
        raise ExportError(f"{origin.name} misses {entry['path']}/config.json, which its modules.json names")
    return path.parent


def pooling(origin: Origin, config: Any) -> Pooling:
    """Return how token vectors become one.

    Raises:
        ExportError: in a way that cannot be exported.
    """
    mode = config.get("pooling_mode")
    if mode is None:
        mode = [name for flag, name in _FLAGS.items() if config.get(flag)] or ["mean"]
    modes = [mode] if isinstance(mode, str) else list(mode)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ExportError(
            f"{origin.name} pools by {' + '.join(modes)}, but only {', '.join(_POOLINGS)} alone can be exported"
        )
    return _POOLINGS[modes[0]]


def step(origin: Origin, entry: Any, on: str = "sentence_embedding") -> Step | None:
    """Return what a module does to the pooled vector, or to what else `on` names; None: nothing.

    Raises:
        ExportError: it cannot be exported.
    """
    match class_name(entry):
        case "Normalize":
            return Normalize()
        case "Dropout":  # does nothing outside training
            return None
        case "Dense":
            found = folder(origin, entry)
            config = read_json(found / "config.json")
            names = {config.get(f"module_{end}_name") or on for end in ("input", "output")}
            if names != {on}:
                raise ExportError(f"{origin.name} has a Dense module on {', '.join(sorted(names))}, not on {on}")
            return dense(found)
        case other:
            raise ExportError(
                f"{origin.name} has the module {other}, which cannot be exported;"
                " Transformer, Pooling, Dense, Normalize and Dropout can"
            )


def dense(found: Path) -> Dense:
    """Return the dense layer that lies in a folder."""
    config = read_json(found / "config.json")
    return Dense(
        found,
        config["in_features"],
        config["out_features"],
        config.get("bias", True),
        config.get("activation_function", "torch.nn.modules.activation.Tanh"),
        bool(config.get("use_residual")),
    )
