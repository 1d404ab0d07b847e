"""PyTorch to ONNX: optimum knows each architecture's inputs and what of it must be patched to be traced."""

from pathlib import Path
from typing import Any

from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.exporters.onnx.convert import export
from optimum.exporters.tasks import TasksManager
from transformers import PretrainedConfig

from shortlist.export.errors import ExportError
from shortlist.export.model import Model
from shortlist.export.quiet import quiet
from shortlist.server.bundle import OUTPUT, Kind

_TASKS: dict[Kind, str] = {"embedder": "feature-extraction", "reranker": "text-classification"}
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
            else f"which optimum cannot trace as a{'n' * (kind == 'embedder')} {kind}"
        )
        raise ExportError(
            f"{name} is a {model_type} model, {why}; if an ONNX graph of it is published, name that with --graph"
        ) from error
    if not issubclass(constructor.func, TextEncoderOnnxConfig):
        raise ExportError(
            f"{name} is a {model_type} model, no text encoder, and so neither an embedder nor a reranker;"
            " BERT, RoBERTa, XLM-R, DistilBERT, MPNet, ModernBERT and their like can be exported"
        )


def trace(model: Model, kind: Kind, path: Path) -> tuple[str, ...]:
    """Write the model's graph: everything up to the last number, with batch and sequence free.

    Returns:
        the inputs that the model takes.

    Raises:
        ExportError: the model cannot be traced, or takes inputs that texts do not make.
    """
    config = _described(model.config, kind)
    if odd := set(config.inputs) - _INPUTS:
        raise ExportError(f"{model.config.model_type} models need {', '.join(odd)}, which the server does not make")
    try:
        with quiet():
            taken, _ = export(model, config, path)
    except Exception as error:  # tracing runs the model's code and the exporter's: anything may come of it
        raise ExportError(f"{type(model.body).__name__} cannot be traced: {error}") from error
    return tuple(taken)


def inputs(config: PretrainedConfig, kind: Kind) -> tuple[str, ...]:
    """Return the inputs that a model of that configuration takes."""
    return tuple(_described(config, kind).inputs)


def _described(config: PretrainedConfig, kind: Kind) -> Any:
    """Return optimum's description of a model that ends in our output."""
    constructor = _constructor(config.model_type, kind)
    axes = {OUTPUT[kind]: {0: "batch_size"}}
    ours = type("Whole", (constructor.func,), {"outputs": property(lambda _: axes)})
    return ours(config, task=_TASKS[kind])


def _constructor(model_type: str, kind: Kind) -> Any:
    with quiet():
        return TasksManager.get_exporter_config_constructor(
            "onnx", model_type=model_type, task=_TASKS[kind], library_name="transformers"
        )
