"""Models for training: the cross-encoder that learns and the dual encoder that finds; `teachers.py` has who is asked.

Names are resolved as `shortlist export` resolves them, so what one command takes the other takes too.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from sentence_transformers import CrossEncoder, SentenceTransformer
from torch import nn

from shortlist.export import layout, source
from shortlist.export.silence import quiet
from shortlist.export.source import Origin
from shortlist.server import cores

from .errors import FinetuneError
from .settings import FinetuneSettings

Floats = NDArray[np.float32]

_BATCH = 32
_AT_ONCE = 12  # texts or pairs in one forward pass of a training on a CPU; more pads more


def student(settings: FinetuneSettings, origin: Origin) -> CrossEncoder:
    """Load the cross-encoder to train, with a LoRA adapter in it unless all its weights are to be trained.

    Raises:
        FinetuneError: it cannot be loaded, or has more than one label.
    """
    model = _loaded(settings.base, origin.folder, settings.max_tokens)
    model[0].model = prepared(settings, origin, inner(model))
    return model


def prepared(settings: FinetuneSettings, origin: Origin, model: Any) -> Any:
    """Return a transformer as it is to be trained: with an adapter unless all its weights are, without dropout."""
    if not settings.full:
        model = _adapted(settings, origin, model)
    elif origin.adapter is not None:
        model = _merged(model, origin.adapter)
    # One pass over the lists leaves little to overfit, and drawing what is dropped takes a third of a step on a CPU.
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def cross(origin: Origin) -> CrossEncoder:
    """Load a cross-encoder as it is, its adapter merged.

    Raises:
        FinetuneError: it cannot be loaded, or has more than one label.
    """
    model = _loaded(origin.name, origin.folder)
    if origin.adapter is not None:
        model[0].model = _merged(inner(model), origin.adapter)
    return model


def _loaded(name: str, folder: Path, max_tokens: int | None = None) -> CrossEncoder:
    try:
        with quiet():
            model: CrossEncoder = CrossEncoder(
                str(folder),
                num_labels=None if is_reranker(folder) else 1,
                max_length=max_tokens,
                activation_fn=nn.Identity(),
                # The sdpa form is no faster on CPUs for texts this short.
                model_kwargs={"attn_implementation": "eager"},
            )
    except (OSError, ValueError) as error:
        raise FinetuneError(f"{name} cannot be loaded as a cross-encoder: {error}") from error
    if model.num_labels != 1:
        raise FinetuneError(
            f"{name} has {model.num_labels} labels, and a list-wise loss takes one logit a pair;"
            " take a model with one label, or its body"
        )
    return model


def _merged(model: Any, adapter: Path) -> Any:
    return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()


def _adapted(settings: FinetuneSettings, origin: Origin, model: Any) -> Any:
    """Put an adapter into a model: the one that it comes with, or a new one on every linear layer of the body."""
    if origin.adapter is not None:
        adapted = PeftModel.from_pretrained(model, str(origin.adapter), is_trainable=True)
        config: Any = adapted.peft_config["default"]
        config.modules_to_save = (
            list(dict.fromkeys(config.modules_to_save or ())) or None
        )  # PEFT adds the heads again
        return adapted.float()
    classifies = settings.kind == "reranker"  # else the model is a body alone, whose pooler is not asked
    heads = [name for name, _ in model.named_children() if classifies and name != model.base_model_prefix]
    if getattr(model.base_model, "pooler", None) is not None:
        heads.append("pooler")
    linear = [name for name, module in model.base_model.named_modules() if isinstance(module, nn.Linear)]
    modules = {path.rpartition(".")[2]: module for path, module in model.named_modules()}
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS if classifies else TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        lora_alpha=settings.rank,
        target_modules=sorted({name.rsplit(".", 1)[-1] for name in linear if not name.startswith("pooler")}),
        exclude_modules=r".*\b(" + "|".join(heads) + r")\b.*" if heads else None,
        modules_to_save=[name for name in heads if classifies and any(True for _ in modules[name].parameters())]
        or None,
    )
    adapted = get_peft_model(model, config)
    # What export is to look for; a path of this machine would mean nothing elsewhere.
    adapted.peft_config["default"].base_model_name_or_path = settings.base
    return adapted


class Dual:
    """A dual encoder: texts to vectors of length 1."""

    def __init__(self, origin: Origin) -> None:
        """Load it.

        Raises:
            FinetuneError: it cannot be loaded.
        """
        self.name = origin.name
        self._form = layout.read(origin, "embedder")
        try:
            with quiet():
                self._model = SentenceTransformer(str(origin.folder))
        except (OSError, ValueError) as error:
            raise FinetuneError(f"{origin.name} cannot be loaded as a dual encoder: {error}") from error

    @property
    def pools_by_mean(self) -> bool:
        """Whether its token vectors lie in the space of its text vectors."""
        return self._form.pooling == "mean"

    def queries(self, texts: list[str]) -> Floats:
        """Return float32 [texts, dimensions]."""
        found: Floats = self._encoded(self._form.query_prefix, texts)
        return found

    def documents(self, texts: list[str]) -> Floats:
        """Return float32 [texts, dimensions]."""
        found: Floats = self._encoded(self._form.document_prefix, texts)
        return found

    def query_tokens(self, texts: list[str]) -> list[Floats]:
        """Return a query's token vectors of length 1 each, float32 [tokens, dimensions]."""
        return self._tokens(self._form.query_prefix, texts)

    def document_tokens(self, texts: list[str]) -> list[Floats]:
        """Return a document's token vectors of length 1 each, float32 [tokens, dimensions]."""
        return self._tokens(self._form.document_prefix, texts)

    def _tokens(self, prefix: str, texts: list[str]) -> list[Floats]:
        found = self._encoded(prefix, texts, output_value="token_embeddings")
        return [nn.functional.normalize(one, dim=1).cpu().numpy() for one in found]

    def _encoded(self, prefix: str, texts: list[str], **options: Any) -> Any:
        return self._model.encode(
            [prefix + text for text in texts],
            prompt="",
            batch_size=_BATCH,
            normalize_embeddings=not options,
            show_progress_bar=False,
            **options,
        )


def embedder(settings: FinetuneSettings, base: Origin) -> Dual:
    """Load the dual encoder that finds candidates.

    Raises:
        FinetuneError: none is named, and the base is a cross-encoder.
    """
    return Dual(source.resolve(settings.embedder)) if settings.embedder else body(settings, base)


def body(settings: FinetuneSettings, base: Origin) -> Dual:
    """Load the base's own weights as a dual encoder.

    Raises:
        FinetuneError: the base is a cross-encoder.
    """
    if is_reranker(base.folder):
        raise FinetuneError(
            f"{settings.base} is a cross-encoder, which finds no candidates and teaches nobody; name a dual encoder"
            " with --embedder and --teacher"
        )
    name = base.name if base.adapter is None else f"the base of {base.name}"
    return Dual(Origin(name, base.revision, base.folder))


def logits(model: CrossEncoder, pairs: list[tuple[str, str]]) -> Floats:
    """Return a cross-encoder's logits, float32 [pairs]."""
    asked: Any = pairs  # its own type is a union of all modalities, and lists of it are invariant
    found: Any = model.predict(asked, batch_size=_BATCH, activation_fn=nn.Identity(), show_progress_bar=False)
    return np.asarray(found, np.float32)


def quickly(device: torch.device) -> torch.autocast:
    """Return a context in which models compute about the same in half the time, as they do in training."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bf16())


def portions(order: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut places that stand in the order of their lengths into what one forward pass of a training holds."""
    size = len(order) if torch.cuda.is_available() else _AT_ONCE
    return (order[start : start + size] for start in range(0, len(order), size))


def save(model: Any, out: Path) -> None:
    """Write the weights: of an adapter as float16, which halves it and changes no ranking worth the name."""
    if is_adapter(model):
        inner(model).half().save_pretrained(str(out))
        inner(model).float()
        (out / "README.md").unlink(missing_ok=True)  # PEFT's template
    else:
        model.save_pretrained(str(out), create_model_card=False)


def is_adapter(model: Any) -> bool:
    """Return whether an adapter is trained rather than all weights."""
    return isinstance(inner(model), PeftModel)


def trainable(model: nn.Module) -> int:
    """Count the weights that training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def has_bf16() -> bool:
    """Return whether the processor that trains computes in bfloat16 rather than imitating it."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return "avx512_bf16" in cores.flags()


def inner(model: Any) -> Any:
    """Return the transformer inside sentence-transformers' model, in its adapter if it has one."""
    return model[0].model


def is_reranker(folder: Path) -> bool:
    """Return whether a folder holds a cross-encoder."""
    architectures = source.read_json(folder / "config.json").get("architectures") or [""]
    return str(architectures[0]).endswith("ForSequenceClassification")
