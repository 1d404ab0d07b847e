"""`ShortlistEmbedding`: the server's dual encoder as LlamaIndex's embedding."""

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from shortlist.client import Clients


class ShortlistEmbedding(BaseEmbedding):
    """Vectors of queries and texts, with the prefix before each that the model wants for it.

    ShortlistEmbedding().get_query_embedding("what is France's capital?")
    """

    model_name: str = "shortlist"
    embed_batch_size: int = Field(default=64, gt=0, le=2048, description="Texts in a call to the server.")
    address: str | None = Field(
        default=None,
        description="`host:port` of the server; None: what SHORTLIST_ADDRESS says, or else 127.0.0.1:50051.",
    )
    timeout_s: float = Field(default=30.0, description="Seconds that each call to the server may take.")

    _clients: Clients = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Prepare to call the server; nothing is sent yet."""
        super().model_post_init(context)
        self._clients = Clients(self.address, timeout_s=self.timeout_s)

    @classmethod
    def class_name(cls) -> str:
        """Return the class's name, by which it is serialized."""
        return "ShortlistEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return list(self._clients.blocking().embed([query], "query").vectors[0])

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return list((await self._clients.of_loop().embed([query], "query")).vectors[0])

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [list(one) for one in self._clients.blocking().embed(texts).vectors]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [list(one) for one in (await self._clients.of_loop().embed(texts)).vectors]
