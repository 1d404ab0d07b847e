"""Where documents' token vectors come from: the late-interaction model, pooled as a collection has them.

Plain types only. Runs on the event loop; what blocks goes to threads.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InferenceFailed
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.result import Spent
from shortlist.server.inference.token_embedder import TokenEmbedder
from shortlist.server.runtime import manifest
from shortlist.server.runtime.token_pooling import pooled
from shortlist.server.storage.choices import TokenPooling
from shortlist.server.storage.document import Origin
from shortlist.server.storage.token_vectors import TokenVectors

from .reindexing import origin

Floats = NDArray[np.float32]

# The first vector is that of the whole text: merged with a token's it would stand for neither.
_BY_TWO = manifest.TokenPooling(factor=2, protected=1, normalized=True)


@dataclass(frozen=True, slots=True)
class Made:
    """The token vectors of some documents, as their collection is to have them."""

    vectors: list[Floats]  # float32 [vectors, dimensions] of each document
    done: NDArray[np.bool_]  # bool [documents]: which of them the model could run
    spent: Spent = field(default_factory=Spent)

    def kept(self, which: NDArray[np.bool_]) -> list[Floats]:
        """Return the vectors of some of the documents: bool [documents]."""
        return [vectors for vectors, wanted in zip(self.vectors, which.tolist(), strict=True) if wanted]


class TokenSource:
    """The maker of documents' token vectors."""

    def __init__(self, model: TokenEmbedder | None) -> None:
        """Make them by a model; None: there is none, and no document gets any."""
        self._model = model

    @property
    def origin(self) -> Origin | None:
        """Return which model makes them."""
        return None if self._model is None else origin(self._model.info)

    def makes(self, wanted: TokenVectors) -> bool:
        """Return whether a collection's documents are to have those that are made here."""
        return wanted.wanted and self._model is not None and self._model.info.fingerprint == wanted.fingerprint

    async def make(
        self, texts: Sequence[str], pooling: TokenPooling, deadline: float, *, whole: bool = False
    ) -> Made:
        """Make the token vectors of documents' texts.

        Args:
            texts: at least one.
            pooling: how many a text has.
            deadline: a time of the monotonic clock, in seconds.
            whole: whether a text that the model cannot run fails all; else it alone is not done.

        Raises:
            NoTokens, DeadlineExceeded, Overloaded, TooLarge, NotServing, ShuttingDown, InferenceFailed: as
                `Embedder.embed`.
        """
        assert self._model is not None, "makes comes first"  # noqa: S101 (our own order)
        try:
            result = await self._model.embed(texts, "document", Lane.INGEST, deadline, whole=whole)
        except InferenceFailed:  # of all
            if whole:
                raise
            return Made([np.empty((0, 0), np.float32)] * len(texts), np.zeros(len(texts), np.bool_))
        vectors = list(result.vectors)
        if pooling == "by-two":
            vectors = await asyncio.to_thread(lambda: [pooled(one, _BY_TWO) if len(one) else one for one in vectors])
        return Made(vectors, result.done, result.spent)
