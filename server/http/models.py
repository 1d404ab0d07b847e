"""The models as OpenAI's clients list them, beside what others read of a model before they use it."""

import time
from typing import Any

from shortlist.server.runtime.graph import ModelInfo
from shortlist.server.search.pipeline import Pipeline

from . import descriptions
from .app import Route
from .call import Answer, Call
from .errors import UnknownRoute


class ModelNotFound(UnknownRoute):
    """A model that is not served."""


class Models:
    """The routes that say which models there are."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Describe the models of a pipeline."""
        self._loaded_at = int(time.time())
        self._pipeline = pipeline

    def routes(self) -> list[Route]:
        """Return the routes; a model's name may hold slashes."""
        return [
            Route("GET", "/v1/models", self.all, operation=descriptions.MODELS),
            Route("GET", "/v1/models/*", self.one, operation=descriptions.MODEL),
        ]

    async def all(self, _: Call) -> Answer:
        """List the models."""
        return Answer.json({"object": "list", "data": [*self._described().values()]})

    async def one(self, call: Call) -> Answer:
        """Describe one model, by its name or by what it does here: embedder, reranker or late-interaction.

        Raises:
            ModelNotFound: it is none of them.
        """
        described = self._described()
        for role, model in described.items():
            if call.rest in {role, model["id"]}:
                return Answer.json(model)
        names = ", ".join((*described, *(model["id"] for model in described.values())))
        raise ModelNotFound("model", call.rest, f"the models are {names}", "name one of them")

    def _described(self) -> dict[str, dict[str, Any]]:
        late = self._pipeline.late_interaction
        return {
            "embedder": self._model(self._pipeline.embedder.info, "embedding"),
            "reranker": self._model(self._pipeline.scorer.info, "rerank"),
            **({} if late is None else {"late-interaction": self._model(late.info, "rerank")}),
        }

    def _model(self, info: ModelInfo, kind: str) -> dict[str, Any]:
        """Describe one: `max_model_len` is vLLM's, which MTEB reads; `model_type` Xinference's, which Dify reads."""
        return {
            "id": info.source.model,
            "object": "model",
            "created": self._loaded_at,
            "owned_by": "shortlist",
            "max_model_len": info.max_tokens,
            "model_type": kind,
            **({"dimensions": info.dimensions} if info.dimensions else {}),
        }
