"""What the description of the routes says of reranking, embeddings and models: their bodies as JSON Schema.

Wider than any one client's own description, as what is read is: every field that is optional may be null, and fields
that are not named here are passed over.
"""

from collections.abc import Mapping

from .operations import Schema, operation

_TEXT: Schema = {"type": "string", "minLength": 1}
_WORD: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": ["integer", "null"], "minimum": 1}
_FLAG: Schema = {"type": ["boolean", "null"]}
_NUMBER: Schema = {"type": "number"}
_INDEX: Schema = {"type": "integer", "minimum": 0}
_OBJECT: Schema = {"type": "object"}


def _objects(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return {"type": "object", "required": [*required], "properties": {**required, **(optional or {})}}


def _list(of: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": of}


_WITH_TEXT = _objects({"text": _TEXT})
_USAGE = _objects({"total_tokens": _INDEX}, {"prompt_tokens": _INDEX})
_RESULTS = {
    "type": "array",
    "items": _objects({"index": _INDEX, "relevance_score": _NUMBER}, {"document": {"type": ["object", "string"]}}),
}
_VECTOR: Schema = {"anyOf": [{"type": "array", "items": _NUMBER}, {"type": "string", "format": "byte"}]}
_TEXTS: Schema = {"anyOf": [_TEXT, _list(_TEXT)]}

_COHERE = _objects(
    {"query": _TEXT, "documents": _list({"anyOf": [_TEXT, _WITH_TEXT]})},
    {
        "model": _WORD,
        "top_n": {"type": ["integer", "null"], "minimum": 0},
        "return_documents": _FLAG,
        "rank_fields": {"type": ["array", "null"], "items": _TEXT},
        "max_tokens_per_doc": _COUNT,
        "raw_scores": _FLAG,
        "truncation_side": {"enum": ["left", "right", None]},
    },
)
_VOYAGE = _objects(
    {"query": _TEXT, "documents": _list(_TEXT)},
    {"model": _WORD, "top_k": _COUNT, "truncation": _FLAG, "return_documents": _FLAG},
)
_NVIDIA = _objects(
    {"query": _WITH_TEXT, "passages": _list(_WITH_TEXT)},
    {"model": _WORD, "top_n": _COUNT, "truncate": {"enum": ["NONE", "START", "END", None]}},
)
RERANK = operation(
    "Score documents beside a query",
    tag="rerank",
    description="The body tells whose form it has, and the answer has the same: `passages` are NVIDIA's,"
    " `documents` beside `top_k` or `truncation` Voyage's, `documents` else Cohere's, Jina's, vLLM's and"
    " infinity's. Any `model` is taken.",
    request={"anyOf": [_COHERE, _VOYAGE, _NVIDIA]},
    answer={
        "anyOf": [
            _objects({"results": _RESULTS}, {"id": _TEXT, "model": _TEXT, "usage": _USAGE, "meta": _OBJECT}),
            _objects({"data": _RESULTS, "usage": _USAGE}, {"model": _TEXT}),
            _objects({"rankings": {"type": "array", "items": _objects({"index": _INDEX, "logit": _NUMBER})}}),
        ]
    },
)

EMBEDDINGS = operation(
    "Embed texts, as OpenAI and Voyage have it",
    tag="embeddings",
    description="Texts are documents unless `input_type`, `prompt_name` or `task` says `query`.",
    request=_objects(
        {"input": _TEXTS},
        {
            "model": _WORD,
            "encoding_format": {"enum": ["float", "base64", None]},
            "dimensions": _COUNT,
            "output_dimension": _COUNT,
            "input_type": _WORD,
            "prompt_name": _WORD,
            "task": _WORD,
            "truncation": _FLAG,
        },
    ),
    answer=_objects(
        {"data": {"type": "array", "items": _objects({"index": _INDEX, "embedding": _VECTOR})}, "usage": _USAGE},
        {"model": _TEXT},
    ),
)

EMBED = operation(
    "Embed texts, as Cohere has it",
    tag="embeddings",
    request=_objects(
        {"texts": _list(_TEXT)},
        {
            "model": _WORD,
            "input_type": _WORD,
            "embedding_types": {"type": ["array", "null"], "items": {"enum": ["float", "base64"]}},
            "output_dimension": _COUNT,
            "truncate": {"enum": ["NONE", "START", "END", None]},
        },
    ),
    answer=_objects({"id": _TEXT, "embeddings": {"type": ["object", "array"]}, "meta": _OBJECT}),
)

_MODEL = _objects(
    {"id": _TEXT, "max_model_len": _INDEX, "model_type": {"enum": ["embedding", "rerank"]}}, {"created": _INDEX}
)
MODELS = operation("List the models", tag="models", answer=_objects({"data": {"type": "array", "items": _MODEL}}))
MODEL = operation("Describe a model, by its name, or as embedder or reranker", tag="models", answer=_MODEL)
