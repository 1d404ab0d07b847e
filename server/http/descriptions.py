"""What the description of the routes says of reranking, embeddings and models: their bodies as JSON Schema.

Wider than any one client's own description, as what is read is: every field that is optional may be null, and fields
that are not named here are passed over.
"""

from . import tei_descriptions
from .operations import Schema, operation
from .schemas import COUNT, FLAG, INDEX, NUMBER, OBJECT, TEXT, WORD, many, objects

_WITH_TEXT = objects({"text": TEXT})
_USAGE = objects({"total_tokens": INDEX}, {"prompt_tokens": INDEX})
_RESULTS = {
    "type": "array",
    "items": objects({"index": INDEX, "relevance_score": NUMBER}, {"document": {"type": ["object", "string"]}}),
}
_VECTOR: Schema = {"anyOf": [{"type": "array", "items": NUMBER}, {"type": "string", "format": "byte"}]}
_TEXTS: Schema = {"anyOf": [TEXT, many(TEXT)]}

_COHERE = objects(
    {"query": TEXT, "documents": many({"anyOf": [TEXT, _WITH_TEXT]})},
    {
        "model": WORD,
        "top_n": {"type": ["integer", "null"], "minimum": 0},
        "return_documents": FLAG,
        "rank_fields": {"type": ["array", "null"], "items": TEXT},
        "max_tokens_per_doc": COUNT,
        "raw_scores": FLAG,
        "truncation_side": {"enum": ["left", "right", None]},
    },
)
_VOYAGE = objects(
    {"query": TEXT, "documents": many(TEXT)},
    {"model": WORD, "top_k": COUNT, "truncation": FLAG, "return_documents": FLAG},
)
_NVIDIA = objects(
    {"query": _WITH_TEXT, "passages": many(_WITH_TEXT)},
    {"model": WORD, "top_n": COUNT, "truncate": {"enum": ["NONE", "START", "END", None]}},
)
RERANK = operation(
    "Score documents beside a query",
    tag="rerank",
    description="The body tells whose form it has, and the answer has the same: `texts` are TEI's, `passages`"
    " NVIDIA's, `documents` beside `top_k` or `truncation` Voyage's, `documents` else Cohere's, Jina's, vLLM's and"
    " infinity's. A `model` that names the late-interaction model has that score them; any other is taken as the"
    " reranker's name.",
    request={"anyOf": [_COHERE, _VOYAGE, _NVIDIA, tei_descriptions.RERANK]},
    answer={
        "anyOf": [
            objects({"results": _RESULTS}, {"id": TEXT, "model": TEXT, "usage": _USAGE, "meta": OBJECT}),
            objects({"data": _RESULTS, "usage": _USAGE}, {"model": TEXT}),
            objects({"rankings": {"type": "array", "items": objects({"index": INDEX, "logit": NUMBER})}}),
            tei_descriptions.RANKS,
        ]
    },
)

EMBEDDINGS = operation(
    "Embed texts, as OpenAI and Voyage have it",
    tag="embeddings",
    description="Texts are documents unless `input_type`, `prompt_name` or `task` says `query`.",
    request=objects(
        {"input": _TEXTS},
        {
            "model": WORD,
            "encoding_format": {"enum": ["float", "base64", None]},
            "dimensions": COUNT,
            "output_dimension": COUNT,
            "input_type": WORD,
            "prompt_name": WORD,
            "task": WORD,
            "truncation": FLAG,
        },
    ),
    answer=objects(
        {"data": {"type": "array", "items": objects({"index": INDEX, "embedding": _VECTOR})}, "usage": _USAGE},
        {"model": TEXT},
    ),
)

EMBED = operation(
    "Embed texts, as Cohere has it",
    tag="embeddings",
    request=objects(
        {"texts": many(TEXT)},
        {
            "model": WORD,
            "input_type": WORD,
            "embedding_types": {"type": ["array", "null"], "items": {"enum": ["float", "base64"]}},
            "output_dimension": COUNT,
            "truncate": {"enum": ["NONE", "START", "END", None]},
        },
    ),
    answer=objects({"id": TEXT, "embeddings": {"type": ["object", "array"]}, "meta": OBJECT}),
)

_MODEL = objects(
    {"id": TEXT, "max_model_len": INDEX, "model_type": {"enum": ["embedding", "rerank"]}}, {"created": INDEX}
)
MODELS = operation("List the models", tag="models", answer=objects({"data": {"type": "array", "items": _MODEL}}))
MODEL = operation(
    "Describe a model, by its name, or as embedder, reranker or late-interaction", tag="models", answer=_MODEL
)
