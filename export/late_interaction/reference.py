"""What a late-interaction bundle is held against: its model in PyTorch behind transformers' tokenizer.

The libraries that write such models cannot be run beside the exporter: sentence-transformers has them from version 6,
which wants transformers 5, and optimum-onnx wants transformers below 4.58; PyLate wants sentence-transformers 5.3. So
this is our own reading of what they do, written after their code, with their tools: transformers' tokenizer and
models, SciPy's clustering. It shares the weights and the words of the configuration with what is exported, and
neither tokenizer, graph nor the server's code. Tests hold it, and bundles, against vectors that those libraries made
of models that they saved (tests/support/late_interaction/).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from shortlist.export import model
from shortlist.export.inference import Floats
from shortlist.export.layout import Layout
from shortlist.export.reference import TRANSFORMERS
from shortlist.export.silence import quiet
from shortlist.export.source import Origin
from shortlist.server.runtime.manifest import TextKind, TokenPooling

from . import rules
from .described import Described, Side

Ids = NDArray[np.int64]


class TorchReference:
    """A late-interaction model as its library runs it, each text alone."""

    name = TRANSFORMERS

    def __init__(
        self, origin: Origin, layout: Layout, found: Described, tokenizer: Any, document_tokens: int
    ) -> None:
        """Load the model.

        Args:
            origin: its files.
            layout: what follows the transformer, and the prefixes.
            found: what happens to texts and token vectors.
            tokenizer: transformers'.
            document_tokens: the window of documents.

        Raises:
            ExportError: it cannot be loaded.
        """
        self._model = model.load(origin, layout)
        self._tokenizer = tokenizer
        self._found = found
        self._prefixes: dict[TextKind, str] = {"query": layout.query_prefix, "document": layout.document_prefix}
        self.document_tokens = document_tokens
        self._typed = "token_type_ids" in tokenizer.model_input_names

    def read(self, text: str, kind: TextKind) -> tuple[Ids, Ids]:
        """Return the ids that the model reads, and which of them the others attend to: int64 [tokens] each."""
        side = self._found.sides[kind]
        with quiet():
            found = self._tokenizer(self._prefixes[kind] + text, truncation=True, max_length=self._length(side, kind))
        ids, mask = list(found["input_ids"]), list(found["attention_mask"])
        if side.marker:
            ids.insert(1, self._tokenizer.convert_tokens_to_ids(side.marker))
            mask.insert(1, 1)
        if side.filling is not None and (missing := side.filling.length - len(ids)) > 0:
            token = self._tokenizer.convert_tokens_to_ids(rules.filler(self._tokenizer, side.filling))
            ids += [token] * missing
            mask += [int(side.filling.attended)] * missing
        return np.array(ids, np.int64), np.array(mask, np.int64)

    def run(self, texts: Sequence[str], kind: TextKind) -> list[Floats]:
        """Return the vectors of each text's tokens that count: float32 [counted, dimensions]."""
        with quiet(), torch.inference_mode():
            return [self._run(text, kind) for text in texts]

    def _run(self, text: str, kind: TextKind) -> Floats:
        ids, mask = self.read(text, kind)
        given = {"input_ids": torch.from_numpy(ids)[None], "attention_mask": torch.from_numpy(mask)[None]}
        if self._typed:
            given["token_type_ids"] = torch.zeros_like(given["input_ids"])
        (values,) = self._model(**given).values()
        side = self._found.sides[kind]
        skipped = rules.skipped(self._found.library, self._tokenizer, side.skipped, kind)
        found: Floats = values[0].numpy()[~np.isin(ids, skipped)]
        return found

    def merged(self, kept: Floats, kind: TextKind) -> Floats:
        """Return them with alike ones merged."""
        pooling = self._found.sides[kind].pooling
        return kept if pooling is None else _pooled(kept, pooling)

    def _length(self, side: Side, kind: TextKind) -> int:
        """Return the tokens that the tokenizer may make, a marker left out."""
        length = self.document_tokens if kind == "document" else rules.window(side, self._tokenizer.model_max_length)
        return length - bool(side.marker)


def _pooled(vectors: Floats, pooling: TokenPooling) -> Floats:
    """Merge vectors by SciPy's clustering, as sentence-transformers does."""
    protected, rest = np.split(vectors, [pooling.protected])
    count = max(int(len(rest) // pooling.factor), 1)
    if count < len(rest):
        distances = squareform(np.clip(1 - rest @ rest.T, 0, 2), checks=False)
        labels = hierarchy.fcluster(hierarchy.linkage(distances, method="ward"), t=count, criterion="maxclust")
        # In the order of their first vectors, as the server has them: to MaxSim it is all the same.
        ordered = list(dict.fromkeys(labels.tolist()))
        vectors = np.concatenate([protected, *(rest[labels == label].mean(axis=0)[None] for label in ordered)])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if pooling.normalized else vectors
