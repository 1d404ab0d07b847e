"""The server's embedder as LangChain's `Embeddings`."""

from collections.abc import Sequence
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import Field

from shortlist.client import Truncation

from .connection import Connected
from .parts import ain_parts, in_parts

# In a call: a large model on a CPU has so many long texts done within the default deadline.
_MOST_TEXTS = 64


class ShortlistEmbeddings(Connected, Embeddings):
    """The vectors of a Shortlist server's embedder.

        embeddings = ShortlistEmbeddings(address="127.0.0.1:50051")
        vector = embeddings.embed_query("what is France's capital?")

    Queries and documents get the prefixes that the model has for them. A `ShortlistVectorStore` needs none of this:
    its server embeds what it stores.
    """

    dimensions: int | None = Field(default=None, gt=0)
    """elements of a vector, the first ones, made of length 1 again; None: all"""
    normalize: bool = False
    """True makes vectors of length 1 also where the model does not"""
    truncation: Truncation | None = None
    """what is left out of texts that the model cannot read whole: their `end` or `start`, or `none`, which refuses
    them; None: what its author leaves out"""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of any number of texts.

        Raises:
            InvalidRequest: one has nothing to read, which it names by its place.
        """

        def call(part: Sequence[str]) -> Sequence[Sequence[float]]:
            return self.clients.blocking().embed(part, "document", **self._options()).vectors

        return [list(vector) for vector in in_parts(call, texts, _MOST_TEXTS)]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        (vector,) = self.clients.blocking().embed([text], "query", **self._options()).vectors
        return list(vector)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of any number of texts."""

        async def call(part: Sequence[str]) -> Sequence[Sequence[float]]:
            return (await self.clients.of_loop().embed(part, "document", **self._options())).vectors

        return [list(vector) for vector in await ain_parts(call, texts, _MOST_TEXTS)]

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        (vector,) = (await self.clients.of_loop().embed([text], "query", **self._options())).vectors
        return list(vector)

    def _options(self) -> dict[str, Any]:
        """Return what each call is told."""
        return {
            "dimensions": self.dimensions,
            "normalize": self.normalize,
            "truncation": self.truncation,
            "timeout_s": self.timeout_s,
        }
