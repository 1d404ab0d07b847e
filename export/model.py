"""Weights into memory: float32, in evaluation mode, and every one of them from the model's files.

A head whose weights are not in the files is one that transformers filled with random numbers, with no more than a
warning; here it is refused.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from shortlist.server.errors import first_line

from . import adapter, labels, newer, pooling_heads
from .errors import ExportError
from .layout import AS, Layout, config
from .pooling_config import Dense, Step, Truncate
from .silence import quiet
from .source import Origin
from .tokenizer import UNLIMITED

_ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid", "SiLU")


def load(origin: Origin, layout: Layout) -> pooling_heads.Model:
    """Load a model with all that follows its transformer, the adapter merged in.

    Raises:
        ExportError: weights are missing, or a label or an activation cannot be exported; the message names it.
    """
    with torch.no_grad():
        model = _reranker(origin, layout) if layout.kind == "reranker" else _encoder(origin, layout)
    return model.float().eval().requires_grad_(requires_grad=False)


def weights_sha256(model: nn.Module) -> str:
    """Identify a model by the names, types, shapes and bytes of all its tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def steps(origin: Origin, described: Iterable[Step]) -> nn.Sequential:
    """Load what follows the pooling.

    Raises:
        ExportError: a dense layer has no weights, or an activation that cannot be exported.
    """
    return (
        nn.Sequential(*(_step(origin, step) for step in described)).float().eval().requires_grad_(requires_grad=False)
    )


def positions(body: nn.Module) -> int:
    """Return how many tokens have a position.

    RoBERTa and its like begin to count after the padding's index, so that 514 positions hold 512 tokens.
    """
    count = getattr(body.config, "max_position_embeddings", None) or UNLIMITED
    for module in body.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, nn.Embedding) and table.padding_idx is not None:
            return int(count) - table.padding_idx - 1
    return int(count)


def _encoder(origin: Origin, layout: Layout) -> pooling_heads.Model:
    body = _loaded(origin, layout, AutoModel, unused=("pooler.",))
    if getattr(body, "pooler", None) is not None:
        body.pooler = None  # the embedding does not pass through it, and its weights may be random
    following = steps(origin, layout.steps)
    if layout.tokens is not None:
        return pooling_heads.Model(body, pooling_heads.TokenHead(following))
    if layout.pooling == "":
        raise ExportError(f"{origin.name} names no pooling")
    return pooling_heads.Model(body, pooling_heads.EmbeddingHead(layout.pooling, following))


def _reranker(origin: Origin, layout: Layout) -> pooling_heads.Model:
    classifier = _loaded(origin, layout, AutoModelForSequenceClassification)
    found = labels.read(origin.name, classifier.config.id2label, layout.relevant_label)
    return pooling_heads.Model(classifier, pooling_heads.LogitHead(found.positive, found.negative))


def _loaded(origin: Origin, layout: Layout, kind: Any, unused: tuple[str, ...] = ()) -> Any:
    """Load a transformer of one of the Auto classes; only weights named in `unused` may be missing."""
    folder = origin.folder / layout.body
    changes = {**layout.config_settings, **newer.config_settings(origin.name, config(origin, layout.body))}
    trained = None if origin.adapter is None else adapter.read(origin.adapter)
    if trained is not None and (count := trained.labels()) and layout.kind == "reranker":
        changes["num_labels"] = count
    try:
        with quiet():
            settings = AutoConfig.from_pretrained(folder, trust_remote_code=False, **changes)
            model, report = kind.from_pretrained(
                folder,
                config=settings,
                dtype=torch.float32,
                attn_implementation="eager",  # the form that graph fusions know
                output_loading_info=True,
                trust_remote_code=False,
            )
    except Exception as error:  # damaged files and unknown architectures end in errors of any kind
        raise ExportError(f"{origin.name} cannot be loaded: {first_line(error)}") from error
    missing = [name for name in report["missing_keys"] if not name.startswith(unused)]
    if trained is not None:
        model = trained.merged_into(model)
        missing = [name for name in missing if not trained.holds(name)]
    if missing:
        raise ExportError(
            f"{origin.name} has no weights for {_some(missing)} of {type(model).__name__};"
            f" name a model that was trained as {AS[layout.kind]}"
        )
    return model


def _step(origin: Origin, step: Step) -> nn.Module:
    if isinstance(step, Truncate):
        return pooling_heads.Truncate(step.dimensions)
    if not isinstance(step, Dense):
        return pooling_heads.Normalize()
    name = step.activation.rsplit(".", 1)[-1]
    if name not in _ACTIVATIONS or not step.activation.startswith("torch.nn."):
        raise ExportError(
            f"{origin.name} has a Dense module with the activation {step.activation}, which cannot be exported;"
            f" {', '.join(_ACTIVATIONS)} can"
        )
    tensors = _tensors(step.folder)
    layer = nn.Sequential(
        _filled(origin, step, nn.Linear(step.inputs, step.outputs, bias=step.bias), "linear", tensors),
        getattr(nn, name)(),
    )
    if not step.residual:
        return layer
    if step.inputs == step.outputs:
        return pooling_heads.Residual(layer, nn.Identity())
    projection = nn.Linear(step.inputs, step.outputs, bias=False)
    return pooling_heads.Residual(layer, _filled(origin, step, projection, "residual", tensors))


def _filled(
    origin: Origin, step: Dense, layer: nn.Linear, name: str, tensors: Mapping[str, torch.Tensor]
) -> nn.Linear:
    """Return a layer with its weights, which may lie among others."""
    start = f"{name}."
    found = {key.removeprefix(start): one for key, one in tensors.items() if key.startswith(start)}
    shapes = {key: tuple(one.shape) for key, one in found.items()}
    wanted = {key: tuple(one.shape) for key, one in layer.state_dict().items()}
    if shapes != wanted:
        raise ExportError(
            f"{origin.name}: the weights of {step.folder.name} do not fit its configuration: {name} is"
            f" {shapes or 'not there'}, and should be {wanted}; fetch the model again"
        )
    layer.load_state_dict(found)
    return layer


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    if (folder / "model.safetensors").is_file():
        return load_file(folder / "model.safetensors")
    if (folder / "pytorch_model.bin").is_file():
        found: dict[str, torch.Tensor] = torch.load(
            folder / "pytorch_model.bin", weights_only=True, map_location="cpu"
        )
        return found
    raise ExportError(f"{folder} holds no weights (neither model.safetensors nor pytorch_model.bin is there)")


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")  # noqa: PLR2004
