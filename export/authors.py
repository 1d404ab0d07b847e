"""A model as its authors run it: sentence-transformers on the same folder, from text to number.

It reads prompts, window, tokenizer, pooling, dense layers, normalization and activation by itself; nothing of this
package's own reading goes into it but what no file of the model says.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from sentence_transformers import CrossEncoder, SentenceTransformer
from torch import nn

from shortlist.server.errors import first_line
from shortlist.server.runtime.manifest import TextKind

from . import adapter
from .errors import ExportError
from .inference import Floats
from .labels import Labels
from .layout import Layout
from .reference import PYTORCH, Ids, Scale, Text
from .silence import quiet
from .source import ADAPTER_CONFIG, Origin


class Authors:
    """A SentenceTransformer or a CrossEncoder, each text alone, since padding is no part of a model."""

    def __init__(self, origin: Origin, layout: Layout, labels: Labels | None, scratch: Path) -> None:
        """Load the model.

        Args:
            origin: its files.
            layout: what was asked for or stands in no file: its kind, and prefixes that are `given`.
            labels: of a reranker, which says relevant.
            scratch: where the files of an adapter and its base are brought together.

        Raises:
            ExportError: sentence-transformers cannot, or a reranker has an activation that the server does not.
        """
        self.name = PYTORCH
        self._labels = labels
        self._prompts: dict[TextKind, str | None] = {
            "query": layout.query_prefix if "query" in layout.given else None,
            "document": layout.document_prefix if "document" in layout.given else None,
        }
        self._model = _loaded(origin, layout, scratch)
        if origin.adapter is not None and layout.window_tokens is not None:
            self._model.max_seq_length = layout.window_tokens
        self.scale: Scale = "vector" if labels is None else _scale(origin.name, self._model)

    def window(self, tokens: int) -> None:
        """Cut texts to so many tokens."""
        self._model.max_seq_length = tokens

    def read(self, texts: Sequence[Text], kind: TextKind) -> list[Ids]:
        """Return the tokens of each text, with the prompt that `run` puts before it."""
        prompt = self._prompts[kind]
        if prompt is None and self._labels is None:
            prompt = self._model.prompts[kind]
        with quiet():
            found = [self._model.preprocess([text], prompt=prompt) for text in texts]
        return [_ids(one) for one in found]

    def run(self, texts: Sequence[Text], kind: TextKind) -> Floats:
        """Return what `encode_query` and `encode_document` or `predict` return."""
        try:
            with quiet(), torch.inference_mode():
                return self._run(list(texts), kind)
        except Exception as error:  # somebody else's code, on a model that may not fit it
            raise ExportError(f"sentence-transformers cannot run this model: {first_line(error)}") from error

    def _run(self, texts: list[Text], kind: TextKind) -> Floats:
        settings: dict[str, Any] = {"batch_size": 1, "show_progress_bar": False}
        if self._labels is None:
            encode = self._model.encode_query if kind == "query" else self._model.encode_document
            return np.asarray(encode(texts, prompt=self._prompts[kind], **settings), np.float32)
        found = np.asarray(self._model.predict(texts, **settings), np.float32)
        negative = self._labels.negative
        return found if negative is None else found[:, self._labels.positive] - found[:, negative]


def _loaded(origin: Origin, layout: Layout, scratch: Path) -> Any:
    settings: dict[str, Any] = {
        "device": "cpu",
        "local_files_only": True,
        "model_kwargs": {"dtype": torch.float32},
    }
    trained = None if origin.adapter is None else adapter.read(origin.adapter)
    if layout.kind == "reranker" and trained is not None and (count := trained.labels()):
        settings["num_labels"] = count
    kind: Any = SentenceTransformer if layout.kind == "embedder" else CrossEncoder
    try:
        with quiet():
            folder = _folder(origin, scratch)
            # A cross-encoder is looked for beside no modules, which say where a dual encoder's transformer is.
            model = kind(str(folder / layout.body if layout.kind == "reranker" else folder), **settings)
            if trained is not None:
                model[0].model = PeftModel.from_pretrained(model[0].model, str(trained.folder))
    except Exception as error:  # somebody else's code, on files that may not fit it
        raise ExportError(f"sentence-transformers cannot load {origin.name}: {first_line(error)}") from error
    return model.eval()


def _folder(origin: Origin, scratch: Path) -> Path:
    """Return the model's folder; of an adapter one with the base's files, and the adapter's own before them."""
    if origin.adapter is None:
        return origin.folder
    joined = scratch / "joined"
    for folder in (origin.folder, origin.adapter):
        for path in folder.rglob("*"):
            if path.is_dir() or path.name == ADAPTER_CONFIG or path.name.startswith("adapter_model."):
                continue
            target = joined / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.symlink_to(path.resolve())
    return joined


def _scale(name: str, model: Any) -> Scale:
    """Return what `predict` gives.

    Raises:
        ExportError: naming an activation that the server does not have.
    """
    activation = type(model.activation_fn)
    if activation is nn.Identity:
        return "logit"
    if activation is nn.Sigmoid and model.num_labels == 1:
        return "score"
    raise ExportError(
        f"{name} has the activation {activation.__name__} behind {model.num_labels} labels (activation_fn), but the"
        " server orders by one logit a pair, and its score is the sigmoid of that; set activation_fn to"
        " torch.nn.modules.linear.Identity if that is what you want"
    )


def _ids(features: Any) -> Ids:
    if "input_ids" not in features:
        return [], None
    types = features.get("token_type_ids")
    return features["input_ids"][0].tolist(), None if types is None else types[0].tolist()
