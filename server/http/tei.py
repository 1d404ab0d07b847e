"""text-embeddings-inference (TEI) over HTTP: a body to a call of TEI's models, its answer to a body. No rules.

Both models are at the root. TEI has one of them, and clients ask `/info` which: so the same routes are below
`/embedder` and `/reranker` too, where `/info` tells of that model alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.server.errors import InvalidRequest, Unsupported, named
from shortlist.server.runtime.manifest import Kind
from shortlist.server.tei import models, usage
from shortlist.server.tei.models import Cut, Direction, Models
from shortlist.server.tei.usage import Usage

from . import fields, tei_descriptions
from .app import Route
from .call import Answer, Call
from .errors import TEI
from .fields import Body

_DIRECTIONS: dict[str, Direction] = {"left": "left", "right": "right"}


class Tei:
    """TEI's routes, speaking for one of the models where TEI knows one alone."""

    def __init__(self, served: Models, kind: Kind) -> None:
        """Serve these models, and speak for one."""
        self._models = served
        self._kind = kind

    def routes(self) -> list[Route]:
        """Return the routes, but for POST /rerank: it has the bodies of others too."""
        posts = {
            "/": self.by_shape,
            "/invocations": self.by_shape,
            "/embed": self.embed,
            "/embed_all": self.embed_all,
            "/embed_sparse": self.embed_sparse,
            "/predict": self.predict,
            "/similarity": self.similarity,
            "/tokenize": self.tokenize,
            "/decode": self.decode,
        }
        described = tei_descriptions.OPERATIONS
        return [
            Route("GET", "/info", self.info, TEI, described["/info"]),
            *(Route("POST", path, handler, TEI, described[path]) for path, handler in posts.items()),
        ]

    async def by_shape(self, call: Call) -> Answer:
        """Answer what the shape of the body asks for: ranks, similarities or vectors."""
        body = fields.body(await call.json())
        if "texts" in body:
            return await self.rerank(call)
        return await (self.similarity if isinstance(body.get("inputs"), dict) else self.embed)(call)

    async def embed(self, call: Call) -> Answer:
        """Embed one text or several; the answer is a list in any case."""
        body = fields.body(await call.json())
        texts, names = _inputs(body)
        with named(names):
            vectors, took = await self._models.embed(
                texts,
                _cut(body),
                call.deadline,
                normalize=fields.flag(body, "normalize", default=True),
                prompt_name=_prompt(body),
                dimensions=fields.number(body, "dimensions"),
            )
        return self._answer(vectors, took)

    async def embed_all(self, _: Call) -> Answer:
        """Refuse what no bundle can do."""
        raise Unsupported(models.UNPOOLED)

    async def embed_sparse(self, _: Call) -> Answer:
        """Refuse what no bundle can do."""
        raise Unsupported(models.SPARSE)

    async def similarity(self, call: Call) -> Answer:
        """Compare sentences with one."""
        body = fields.body(await call.json())
        inputs, parameters = _object(body, "inputs"), _object(body, "parameters")
        source, sentences = fields.text(inputs, "source_sentence"), fields.texts(inputs, "sentences")
        names = {f"inputs[{place}]": f"inputs.sentences[{place - 1}]" for place in range(1, len(sentences) + 1)}
        with named({"inputs[0]": "inputs.source_sentence", **names}):
            cosines, took = await self._models.similarity(
                source, sentences, _cut(parameters), call.deadline, prompt_name=_prompt(parameters)
            )
        return self._answer(cosines, took)

    async def rerank(self, call: Call) -> Answer:
        """Rank texts beside a query."""
        body = fields.body(await call.json())
        texts = fields.texts(body, "texts")
        ranks, took = await self._models.rerank(
            fields.text(body, "query"),
            texts,
            _cut(body),
            call.deadline,
            raw_scores=fields.flag(body, "raw_scores"),
        )
        returned = fields.flag(body, "return_text")
        return self._answer(
            [
                {"index": rank.index, "score": rank.score, **({"text": texts[rank.index]} if returned else {})}
                for rank in ranks
            ],
            took,
        )

    async def predict(self, call: Call) -> Answer:
        """Classify a text, a pair of texts, or several of both."""
        body = fields.body(await call.json())
        value = body.get("inputs")
        batch = value if isinstance(value, list) and any(isinstance(each, list) for each in value) else None
        inputs = [_texts(value, "inputs")] if batch is None else _batch(batch)
        names = (
            {"inputs[0][0]": "inputs", "inputs[0]": "inputs"} if isinstance(value, str) else {"inputs[0]": "inputs"}
        )
        with named(names if batch is None else {}):
            logits, took = await self._models.predict(inputs, _cut(body), call.deadline)
        scores = models.scores(logits, raw_scores=fields.flag(body, "raw_scores"))
        predictions = [[{"score": score, "label": self._models.label}] for score in scores.tolist()]
        return self._answer(predictions[0] if batch is None else predictions, took)

    async def tokenize(self, call: Call) -> Answer:
        """Cut one text or several into tokens; the answer is a list of lists in any case."""
        body = fields.body(await call.json())
        texts, names = _inputs(body)
        with named(names):
            found = await self._models.tokenize(
                texts,
                self._kind,
                add_special_tokens=fields.flag(body, "add_special_tokens", default=True),
                prompt_name=_prompt(body),
            )
        return Answer.json(found)

    async def decode(self, call: Call) -> Answer:
        """Join tokens into a text, or several lists of them into texts; the answer is a list in any case."""
        body = fields.body(await call.json())
        value = fields.items(body, "ids")
        is_batch = any(isinstance(each, list) for each in value)
        with named({} if is_batch else {"ids[0]": "ids"}):
            ids = [_numbers(each, f"ids[{place}]") for place, each in enumerate(value if is_batch else [value])]
            texts = await self._models.decode(
                ids,
                self._kind,
                skip_special_tokens=fields.flag(body, "skip_special_tokens", default=True),
            )
        return Answer.json(texts)

    async def info(self, _: Call) -> Answer:
        """Describe the model that this mount speaks for."""
        told = self._models.describe(self._kind)
        kinds = {
            "embedder": {"embedding": {"pooling": told.pooling}},
            "reranker": {"reranker": {"id2label": {"0": told.label}, "label2id": {told.label: 0}}},
        }
        return Answer.json(
            {
                "model_id": told.model_id,
                "model_sha": told.model_sha or None,
                "model_dtype": told.model_dtype,
                "served_model_name": told.model_id,
                "model_type": kinds[told.kind],
                "max_concurrent_requests": told.max_concurrent_requests,
                "max_input_length": told.max_input_length,
                "max_batch_tokens": told.max_batch_tokens,
                "max_batch_requests": None,
                "max_client_batch_size": told.max_client_batch_size,
                "auto_truncate": True,
                "tokenization_workers": told.tokenization_workers,
                "version": told.version,
                "sha": None,
                "docker_label": None,
            }
        )

    def _answer(self, value: Any, took: Usage) -> Answer:
        return Answer.json(value, headers=dict(usage.headers(took, self._models.provider)))


def _cut(body: Body) -> Cut:
    direction = fields.choice(body, "truncation_direction", _DIRECTIONS, "right")
    return Cut(fields.flag(body, "truncate", default=True), direction)


def _prompt(body: Body) -> str | None:
    return None if (value := body.get("prompt_name")) is None else str(value)


def _object(body: Body, name: str) -> Body:
    return {} if (value := body.get(name)) is None else fields.body(value, name)


def _inputs(body: Body) -> tuple[list[str], Mapping[str, str]]:
    """Return the texts, and what errors name them where there is one that is in no list.

    Raises:
        InvalidRequest: they are none.
    """
    value = body.get("inputs")
    return _texts(value, "inputs"), {"inputs[0]": "inputs"} if isinstance(value, str) else {}


def _batch(values: Sequence[Any]) -> list[list[str]]:
    return [_texts(value, f"inputs[{place}]") for place, value in enumerate(values)]


def _texts(value: Any, field: str) -> list[str]:
    """Return a text, or a list of them, as a list.

    Raises:
        InvalidRequest: it is neither, such as the tokens that some clients make of a text.
    """
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        raise InvalidRequest(field, value, "it must be a text, or a list of texts", "send one")
    for place, each in enumerate(values):
        if not isinstance(each, str):
            limit = "it must be a text: numbers of tokens may be of another vocabulary than the model's"
            raise InvalidRequest(f"{field}[{place}]", each, limit, "send the text, and have the server tokenize it")
    return values


def _numbers(value: Any, field: str) -> list[int]:
    if not (isinstance(value, list) and all(type(each) is int for each in value)):
        raise InvalidRequest(field, value, "it must be a list of whole numbers", "send those of tokens")
    return value
