"""PyTorch to ONNX: optimum knows each architecture's inputs and what of it must be patched to be traced."""

from pathlib import Path
from typing import Any

from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.exporters.onnx.convert import export
from optimum.exporters.tasks import TasksManager
from transformers import PretrainedConfig

from shortlist.server.runtime.manifest import OUTPUT, Kind

from .errors import ExportError
from .layout import AS
from .pooling_heads import Model
from .silence import quiet

_TASKS: dict[Kind, str] = {
    "embedder": "feature-extraction",
    "reranker": "text-classification",
    "late-interaction": "feature-extraction",
}
_AXES: dict[Kind, dict[int, str]] = {
    "embedder": {0: "batch_size"},
    "reranker": {0: "batch_size"},
    "late-interaction": {0: "batch_size", 1: "sequence_length"},
}
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


def check(name: str, config: Any, kind: Kind) -> None:
    """Refuse an architecture that is no text encoder, or none that optimum can trace.

    Args:
        name: the model's.
        config: its config.json.
        kind: what it is to serve as.

    Raises:
        ExportError: naming it.
    """
    model_type = config.get("model_type", "unknown")
    try:
        constructor = _constructor(model_type, kind)
    except (KeyError, ValueError) as error:
        why = (
            "whose code is in no library but beside its weights, and is not run from there"
            if "auto_map" in config
            else f"which optimum cannot trace as {AS[kind]}"
        )
        raise ExportError(
            f"{name} is a {model_type} model, {why}; if an ONNX graph of it is published, name that with --graph"
        ) from error
    if not issubclass(constructor.func, TextEncoderOnnxConfig):
        raise ExportError(
            f"{name} is a {model_type} model, no text encoder, and so none of the kinds that can be exported;"
            " BERT, RoBERTa, XLM-R, DistilBERT, MPNet, ModernBERT and their like can be exported"
        )


def trace(model: Model, kind: Kind, path: Path, *, typed: bool) -> None:
    """Write the model's graph: everything up to the last number, with batch and sequence free.

    Args:
        model: what to trace.
        kind: what it is.
        path: where to write.
        typed: whether its tokenizer makes token types; the graph of a model that never sees them takes none.

    Raises:
        ExportError: the model cannot be traced, or takes inputs that texts do not make.
    """
    config = _described(model.config, kind, typed=typed)
    if odd := set(config.inputs) - _INPUTS:
        raise ExportError(f"{model.config.model_type} models need {', '.join(odd)}, which the server does not make")
    try:
        with quiet():
            export(model, config, path)
    except Exception as error:  # tracing runs the model's code and the exporter's: anything may come of it
        raise ExportError(f"{type(model.body).__name__} cannot be traced: {error}") from error


def _described(config: PretrainedConfig, kind: Kind, *, typed: bool) -> Any:
    """Return optimum's description of a model that ends in our output."""
    constructor = _constructor(config.model_type, kind)
    outputs = {OUTPUT[kind]: _AXES[kind]}
    found = constructor.func(config, task=_TASKS[kind]).inputs
    inputs = {name: axes for name, axes in found.items() if typed or name != "token_type_ids"}
    ours: Any = type(
        "Whole",
        (constructor.func,),
        {"outputs": property(lambda _: outputs), "inputs": property(lambda _: inputs)},
    )
    return ours(config, task=_TASKS[kind])


def _constructor(model_type: str, kind: Kind) -> Any:
    with quiet():
        return TasksManager.get_exporter_config_constructor(
            "onnx", model_type=model_type, task=_TASKS[kind], library_name="transformers"
        )
