"""Embeddings as Cohere has them; its reranking is in `rerank.py`, beside all that has taken its form."""

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InvalidRequest, named
from shortlist.server.search.pipeline import Pipeline

from . import descriptions, fields
from .app import Route
from .call import Answer, Call
from .embeddings import base64_of
from .fields import Body

PATHS = ("/v1/embed", "/v2/embed")

_TYPES: dict[str, Callable[[NDArray[np.float32]], list[Any]]] = {"float": list, "base64": base64_of}


class CohereEmbeddings:
    """The routes for Cohere's embeddings."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Serve the embedder of a pipeline."""
        self._pipeline = pipeline

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("POST", path, self.embed, operation=descriptions.EMBED) for path in PATHS]

    async def embed(self, call: Call) -> Answer:
        """Embed texts, each to a vector of length 1, in the types that are asked for."""
        body = fields.body(await call.json())
        types, read = _types(body), texts(body)
        with named({"dimensions": "output_dimension"}):
            made = await self._pipeline.embed(
                read,
                fields.kind(body),
                call.deadline,
                truncation=fields.truncation(body),
                dimensions=fields.number(body, "output_dimension"),
                normalize=True,
            )
        plain = not types and call.path.startswith("/v1/")
        tokens = int(made.tokens.sum())
        return Answer.json(
            {
                "id": str(uuid.uuid4()),
                "texts": read,
                "embeddings": list(made.values)
                if plain
                else {one: _TYPES[one](made.values) for one in types or ["float"]},
                "response_type": "embeddings_floats" if plain else "embeddings_by_type",
                "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}},
            }
        )


def texts(body: Body) -> list[str]:
    """Return the texts to embed, which `inputs` has as parts of a content.

    Raises:
        InvalidRequest: they are none, such as an image.
    """
    if "inputs" not in body:
        return fields.texts(body, "texts")
    inputs = fields.items(body, "inputs")
    return ["\n".join(fields.texts(fields.body(one), "content")) for one in inputs]


def _types(body: Body) -> list[str]:
    types = fields.texts(body, "embedding_types")
    for index, one in enumerate(types):
        if one not in _TYPES:
            limit = f"it must be one of {', '.join(_TYPES)}"
            raise InvalidRequest(f"embedding_types[{index}]", one, limit, "quantize vectors where they are kept")
    return types
