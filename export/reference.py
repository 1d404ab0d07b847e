"""What a bundle is held against: text in, number out, by somebody else's reading of the model's files.

Three kinds, by the names that a manifest has. `authors.Authors` is sentence-transformers on the same folder.
`Published` is for folders that hold no weights for PyTorch, or need code of their own, which is never run:
transformers' tokenizer and the graph as it was published. That shows that nothing was changed on the way into the
bundle, and cannot show that the graph was exported well. The third is that of late-interaction models
(`late_interaction/reference.py`), whose libraries cannot be run here.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from shortlist.server.runtime.manifest import TextKind

from .inference import Feeds, Floats
from .layout import Layout
from .onnx_import import Original

PYTORCH, ONNX, TRANSFORMERS = "pytorch", "onnx", "transformers"
SAID = {
    PYTORCH: "sentence-transformers",
    ONNX: "the graph as it was published",
    TRANSFORMERS: "the model in transformers",
}

Text = str | tuple[str, str]  # of a reranker a pair
Ids = tuple[list[int], list[int] | None]  # token ids, and their types if the model is told any
Scale = Literal["vector", "score", "logit"]


class Reference(Protocol):
    """A model as it runs elsewhere."""

    name: str  # PYTORCH or ONNX
    scale: Scale  # what its numbers are: a reranker's predict gives scores from 0 to 1, or logits

    def window(self, tokens: int) -> None:
        """Cut texts to so many tokens, where its own window is another."""

    def read(self, texts: Sequence[Text], kind: TextKind) -> list[Ids]:
        """Return the tokens of each text, with the prefix of its kind."""

    def run(self, texts: Sequence[Text], kind: TextKind) -> Floats:
        """Return float32 [texts, dimensions] or, of pairs, [texts]."""


class Published:
    """A published graph behind the model's tokenizer, as transformers runs it."""

    def __init__(self, graph: Original, tokenizer: Any, layout: Layout) -> None:
        """Join them; the window is the tokenizer's own."""
        self.name = ONNX
        self.scale: Scale = "vector" if layout.kind == "embedder" else "logit"
        self._graph = graph
        self._tokenizer = tokenizer
        self._prefixes: dict[TextKind, str] = {"query": layout.query_prefix, "document": layout.document_prefix}
        self._window = tokenizer.model_max_length

    def window(self, tokens: int) -> None:
        """Cut texts to so many tokens."""
        self._window = tokens

    def read(self, texts: Sequence[Text], kind: TextKind) -> list[Ids]:
        """Return the tokens of each text."""
        return [_ids(self._encoded(text, kind)) for text in texts]

    def run(self, texts: Sequence[Text], kind: TextKind) -> Floats:
        """Return a vector or a logit of each text, run alone."""
        found = []
        for text in texts:
            ids, types = _ids(self._encoded(text, kind))
            types = types or [0] * len(ids)
            feeds: Feeds = {
                "input_ids": np.array([ids], np.int64),
                "attention_mask": np.ones((1, len(ids)), np.int64),
                "token_type_ids": np.array([types], np.int64),
            }
            found.append(self._graph.run(feeds))
        return np.concatenate(found)

    def _encoded(self, text: Text, kind: TextKind) -> Any:
        parts = (self._prefixes[kind] + text,) if isinstance(text, str) else text
        return self._tokenizer(*parts, truncation="longest_first", max_length=self._window)


def _ids(encoded: Any) -> Ids:
    return list(encoded["input_ids"]), encoded.get("token_type_ids")
