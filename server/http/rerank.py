"""Reranking as Cohere, Jina, Voyage, vLLM, infinity and NVIDIA have it: one handler, whatever the path.

Clients put the same few paths behind whatever base they are given, so the body tells them apart: `texts` are TEI's
(`tei.py`), `passages` NVIDIA's, `documents` beside a key that only Voyage has Voyage's, and all others of one family:
their answers differ in what stands beside `results`, and the one here has all of it. No document is ever left out.
A `model` that names the late-interaction model has that score them; any other name is the reranker's.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from shortlist.server.errors import named
from shortlist.server.runtime.manifest import Kind
from shortlist.server.runtime.tokens import Truncation
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import Ranked, Score

from . import descriptions, errors, fields
from .app import Handler, Route
from .call import Answer, Call
from .fields import Body

PATHS = ("/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking", "/v1/ranking")

# Until a body says that it is TEI's, errors have the form of all others; what is described is both.
_ERRORS = replace(errors.COMMON, schema={"anyOf": [errors.COMMON.schema, errors.TEI.schema]})

_VOYAGE = frozenset({"top_k", "truncation"})
# A body without any other may be Voyage's as well: LiteLLM's are, unless they limit the results.
_SHARED = frozenset({"model", "query", "documents", "return_documents"})
# What vLLM alone takes: it answers with the documents, asked or not.
_VLLM = frozenset({"truncate_prompt_tokens", "truncation_side", "max_tokens_per_query", "instruction"})
_SEARCH_UNIT = 100  # documents, as Cohere counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a body asks for, whoever's form it has."""

    query: str
    documents: list[str]  # as the model reads them
    top: int | None = None
    truncation: Truncation | None = None
    document_tokens: int | None = None
    carried: list[Any] | None = None  # the documents as the answer carries them; None: it does not
    logits: bool = False  # whether they, or sums of cosines, are the scores
    either: bool = False  # whether the body may be Voyage's, too


@dataclass(frozen=True, slots=True)
class Dialect:
    """The form of one kind of body, and of its answer."""

    read: Callable[[Body], Asked]
    write: Callable[[Asked, Ranked, str], dict[str, Any]]  # the last is the model's name
    names: dict[str, str]  # of fields that the pipeline names in another way


class Reranking:
    """The routes for reranking."""

    def __init__(self, pipeline: Pipeline, tei: Handler) -> None:
        """Serve what reranks in a pipeline; `tei` answers bodies of TEI's form."""
        self._pipeline = pipeline
        self._tei = tei

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("POST", path, self.rerank, _ERRORS, descriptions.RERANK) for path in PATHS]

    async def rerank(self, call: Call) -> Answer:
        """Score documents beside a query, and answer in the form that was asked in."""
        body = fields.body(await call.json())
        if "texts" in body:
            call.errors = errors.TEI
            return await self._tei(call)
        dialect = told_apart(body)
        asked = dialect.read(body)
        # Clients ask for more than they have documents; all of them is what they mean.
        top = asked.top if asked.top is None or asked.top < len(asked.documents) else None
        kind, model = self._scored_by(body.get("model"))
        with named(dialect.names):
            ranked = await self._pipeline.rerank(
                asked.query,
                asked.documents,
                call.deadline,
                top,
                truncation=asked.truncation,
                document_tokens=asked.document_tokens,
                whole=True,
                model=kind,
            )
        return Answer.json(dialect.write(asked, ranked, model))

    def _scored_by(self, name: Any) -> tuple[Kind, str]:
        """Return the model that a body means, and its own name: the reranker, unless the other one is named."""
        reranker, late = self._pipeline.scorer.info.source.model, self._pipeline.late_interaction
        if late is not None and name != reranker and name in ("late-interaction", late.info.source.model):
            return "late-interaction", late.info.source.model
        return "reranker", reranker


def told_apart(body: Body) -> Dialect:
    """Return whose form a body has."""
    if "passages" in body:
        return NVIDIA
    return VOYAGE if body.keys() & _VOYAGE else FAMILY


def _read_family(body: Body) -> Asked:
    documents = fields.items(body, "documents")
    rank_fields = fields.texts(body, "rank_fields")
    texts = [_document(document, f"documents[{index}]", rank_fields) for index, document in enumerate(documents)]
    carries = fields.flag(body, "return_documents", default=bool(body.keys() & _VLLM))
    return Asked(
        query=fields.text(body, "query"),
        documents=texts,
        top=fields.number(body, "top_n") or None,  # 0 is all of them to vLLM
        truncation=fields.truncation(body),
        document_tokens=fields.number(body, "max_tokens_per_doc"),
        carried=list(map(_object, documents)) if carries else None,
        logits=fields.flag(body, "raw_scores"),
        either=body.keys() <= _SHARED,
    )


def _write_family(asked: Asked, ranked: Ranked, model: str) -> dict[str, Any]:
    tokens = int(ranked.tokens.sum())
    units = -(-len(asked.documents) // _SEARCH_UNIT)
    results = list(_results(asked, ranked))
    return {
        "id": str(uuid.uuid4()),
        "object": "list",
        "model": model,
        "results": results,
        **({"data": results} if asked.either else {}),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"search_units": units},
            "tokens": {"input_tokens": tokens, "output_tokens": 0},
        },
    }


def _read_voyage(body: Body) -> Asked:
    documents = fields.texts(body, "documents")
    return Asked(
        query=fields.text(body, "query"),
        documents=documents,
        top=fields.number(body, "top_k"),
        truncation=fields.truncation(body),
        carried=documents if fields.flag(body, "return_documents") else None,
    )


def _write_voyage(asked: Asked, ranked: Ranked, model: str) -> dict[str, Any]:
    return {
        "object": "list",
        "data": list(_results(asked, ranked)),
        "model": model,
        "usage": {"total_tokens": int(ranked.tokens.sum())},
    }


def _read_nvidia(body: Body) -> Asked:
    return Asked(
        query=fields.text(body, "query"),
        documents=fields.texts(body, "passages"),
        top=fields.number(body, "top_n"),
        truncation=fields.truncation(body),
    )


def _write_nvidia(_: Asked, ranked: Ranked, model: str) -> dict[str, Any]:
    tokens = int(ranked.tokens.sum())
    return {
        "rankings": [{"index": one.index, "logit": _worth(one, raw=True)} for one in ranked.results],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


FAMILY = Dialect(_read_family, _write_family, {"top_k": "top_n", "max_document_tokens": "max_tokens_per_doc"})
VOYAGE = Dialect(_read_voyage, _write_voyage, {})
NVIDIA = Dialect(_read_nvidia, _write_nvidia, {"top_k": "top_n", "documents": "passages"})


def _results(asked: Asked, ranked: Ranked) -> Iterator[dict[str, Any]]:
    for one in ranked.results:
        result: dict[str, Any] = {"index": one.index, "relevance_score": _worth(one, raw=asked.logits)}
        if asked.carried is not None:
            result["document"] = asked.carried[one.index]
        yield result


def _worth(score: Score, *, raw: bool) -> float | None:
    """Return a score, or what it was made of: the logit of a reranker, late interaction's sum of cosines."""
    if not raw:
        return score.score
    return score.logit if score.maxsim is None else score.maxsim


def _document(value: Any, field: str, rank_fields: list[str]) -> str:
    """Return what the model reads of a document: its text, or the values of the fields that are named, one a line."""
    if rank_fields and isinstance(value, dict):
        return "\n".join(str(value[name]) for name in rank_fields if value.get(name) is not None)
    return fields.one_text(value, field)


def _object(value: Any) -> Any:
    """Return a document as an answer carries it: an object, whatever it came as."""
    return {"text": value} if isinstance(value, str) else value
