"""Embeddings as OpenAI and Voyage have them.

Both clients ask for base64 unless they are told otherwise. What neither says by itself, and models with a prefix for
queries need, is whether a text is a query: `input_type` (Cohere's and Voyage's), `prompt_name` (TEI's) or `task`
(Jina's) says it; a text is a document otherwise.
"""

import base64

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InvalidRequest, named
from shortlist.server.search.pipeline import Pipeline

from . import descriptions, fields
from .app import Route
from .call import Answer, Call
from .fields import Body

PATHS = ("/v1/embeddings", "/embeddings")

_ENCODINGS = {"float": False, "base64": True}
_TYPES = {"float": None, "float32": None}


class Embeddings:
    """The routes for embeddings."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Serve the embedder of a pipeline."""
        self._pipeline = pipeline

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("POST", path, self.embed, operation=descriptions.EMBEDDINGS) for path in PATHS]

    async def embed(self, call: Call) -> Answer:
        """Embed texts, each to a vector of length 1."""
        body = fields.body(await call.json())
        fields.choice(body, "output_dtype", _TYPES, None)
        short = "output_dimension" if body.get("dimensions") is None else "dimensions"
        with named({"texts": "input", "dimensions": short}):
            made = await self._pipeline.embed(
                texts(body),
                fields.kind(body),
                call.deadline,
                truncation=fields.truncation(body),
                dimensions=fields.number(body, short),
                normalize=True,
            )
        encoded = fields.choice(body, "encoding_format", _ENCODINGS, default=False)
        vectors = base64_of(made.values) if encoded else made.values
        tokens = int(made.tokens.sum())
        return Answer.json(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": index, "embedding": vector}
                    for index, vector in enumerate(vectors)
                ],
                "model": self._pipeline.embedder.info.source.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )


def texts(body: Body) -> list[str]:
    """Return the texts to embed.

    Raises:
        InvalidRequest: they are none, such as the tokens that some clients make of them.
    """
    values = fields.items(body, "input")
    for index, value in enumerate(values):
        if isinstance(value, int | list):
            limit = "numbers of tokens are of the client's vocabulary, which is not the model's"
            remedy = "send texts; langchain-openai does with check_embedding_ctx_length=False"
            raise InvalidRequest(f"input[{index}]", value, limit, remedy)
    return fields.texts(body, "input")


def base64_of(vectors: NDArray[np.float32]) -> list[str]:
    """Return vectors as their bytes, float32 with the low byte first, in base64."""
    return [base64.b64encode(row.tobytes()).decode() for row in vectors.astype("<f4")]
