"""A late-interaction model whose token vectors a test can foretell: one a word, by the word alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from shortlist.server.errors import InferenceFailed, NoTokens, ShortlistError
from shortlist.server.fusion import Fusion
from shortlist.server.inference.caches import Cache
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.result import Spent
from shortlist.server.runtime.graph import ModelInfo
from shortlist.server.runtime.manifest import Source


def vectors(text: str, dimensions: int = 4) -> np.ndarray:
    """Return a unit vector for each word of a text: float32 [words, dimensions]."""
    words = text.split()
    made = np.array(
        [np.random.default_rng(list(word.encode())).normal(size=dimensions) for word in words], np.float32
    )
    return made.reshape(len(words), dimensions) / np.linalg.norm(made.reshape(len(words), -1), axis=1, keepdims=True)


@dataclass
class Made:
    """The token vectors of some texts."""

    vectors: list[np.ndarray]
    done: np.ndarray
    spent: Spent = field(default_factory=Spent)


class WordVectors:
    """The model."""

    def __init__(self, dimensions: int = 4, fingerprint: str = "1a7e") -> None:
        """Run nothing yet."""
        source = Source("words", "", "WordModel", "00")
        self.info = ModelInfo(source, "fp32", ("fp32",), "cpu", 512, dimensions, fingerprint, Fusion())
        self.cache, self.coalescer = Cache(0), SimpleNamespace(joined=0)
        self.asked: list[list[str]] = []  # the texts of each call
        self.faults: list[ShortlistError] = []  # of the next calls
        self.unreadable = ""  # a word with which no text can be run
        self.unknown = ""  # one of which the tokenizer leaves nothing
        self.calls = 1_000_000  # that are answered; others wait
        self._released = asyncio.Event()

    def release(self) -> None:
        """Answer all calls from now on."""
        self.calls = 1_000_000
        self._released.set()

    async def embed(
        self, texts: Sequence[str], kind: str, lane: Lane, deadline: float, *, whole: bool = True, **named: Any
    ) -> Made:
        """Return the vectors of texts, as the model would."""
        assert (kind, lane) == ("document", Lane.INGEST)
        self.asked.append(list(texts))
        if len(self.asked) > self.calls:
            await self._released.wait()
        if self.faults:
            raise self.faults.pop(0)
        if self.unknown in texts:
            raise NoTokens(list(texts).index(self.unknown), self.unknown, "texts")
        done = np.array([not self.unreadable or self.unreadable not in text.split() for text in texts])
        if not done.any() or (whole and not done.all()):
            raise InferenceFailed("the model could not run a text")
        made = [vectors(text, self.info.dimensions) for text in texts]
        return Made([one if is_done else one[:0] for one, is_done in zip(made, done, strict=True)], done)
