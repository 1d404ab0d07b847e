"""Words for tokens, and a graph whose runs wait: models of which a test knows every value."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from gated_model import Gate
from shortlist.server.runtime.tokens import Encoded

BUNDLE = SimpleNamespace(path=Path("bundle"), manifest=SimpleNamespace(query_prefix="q: ", document_prefix=""))


class Graph(Gate):
    """A graph whose value for each item is its length, and whose runs wait until the test lets them go."""

    @property
    def runs(self) -> int:
        return len(self.seen)

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return 0.0


class Words:
    """A tokenizer that splits at words."""

    max_tokens = 512

    def estimate(self, characters: int) -> int:
        return max(1, characters // 4)

    def encode(self, texts: Sequence[str], truncation: object = None) -> list[Encoded]:
        lengths = [max(1, len(text.split())) for text in texts]
        return [Encoded(np.ones(length, np.int64), np.zeros(length, np.int64), False) for length in lengths]

    def encode_pairs(self, query: str, documents: Sequence[str], truncation: object = None) -> list[Encoded]:
        return self.encode(documents)
