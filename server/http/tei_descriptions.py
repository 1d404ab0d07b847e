"""What the description of the routes says of text-embeddings-inference's: their bodies as JSON Schema."""

from collections.abc import Mapping
from typing import Any

from .operations import Schema, operation
from .schemas import COUNT, FLAG, INDEX, NUMBER, TEXT, many, objects

_TAG = "text-embeddings-inference"
_PROMPT: Schema = {"enum": ["query", "document", "passage", None]}
_CUT: Mapping[str, Schema] = {
    "truncate": FLAG,
    "truncation_direction": {"enum": ["left", "right", "Left", "Right", None]},
}
_TEXTS: Schema = {"anyOf": [TEXT, many(TEXT)]}
_INPUT: Schema = {**many(TEXT), "maxItems": 2}  # a text, or a pair of them
_NUMBERS: Schema = many({"type": "integer", "minimum": 0, "maximum": 2**32 - 1})
_VECTOR: Schema = {"type": "array", "items": NUMBER}
_PREDICTION: Schema = {"type": "array", "items": objects({"score": NUMBER, "label": TEXT})}

_EMBED = objects({"inputs": _TEXTS}, {**_CUT, "normalize": FLAG, "prompt_name": _PROMPT, "dimensions": COUNT})
_SIMILARITY = objects(
    {"inputs": objects({"source_sentence": TEXT, "sentences": many(TEXT)})},
    {"parameters": {"anyOf": [{"type": "null"}, objects({}, {**_CUT, "prompt_name": _PROMPT})]}},
)
RERANK = objects({"query": TEXT, "texts": many(TEXT)}, {**_CUT, "raw_scores": FLAG, "return_text": FLAG})
RANKS: Schema = {"type": "array", "items": objects({"index": INDEX, "score": NUMBER}, {"text": TEXT})}
_ANY_SHAPE = operation(
    "Embed, compare or rank texts, as the body's shape says",
    tag=_TAG,
    description="`texts` are ranked, `inputs` with a `source_sentence` compared, other `inputs` embedded.",
    request={"anyOf": [_EMBED, _SIMILARITY, RERANK]},
    answer={"anyOf": [{"type": "array", "items": _VECTOR}, _VECTOR, RANKS]},
)

# By their paths; the two that are refused in any case are not described.
OPERATIONS: Mapping[str, Mapping[str, Any] | None] = {
    "/": _ANY_SHAPE,
    "/invocations": _ANY_SHAPE,
    "/embed_all": None,
    "/embed_sparse": None,
    "/info": operation(
        "Describe the model that is spoken for, and the limits",
        tag=_TAG,
        description="`/embedder/info` and `/reranker/info` describe either model.",
        answer=objects({"model_id": TEXT, "model_type": {"type": "object"}, "max_client_batch_size": INDEX}),
    ),
    "/embed": operation("Embed texts", tag=_TAG, request=_EMBED, answer={"type": "array", "items": _VECTOR}),
    "/predict": operation(
        "Score texts or pairs of texts, as a classifier of one label",
        tag=_TAG,
        description="A list of two texts is one pair; a list of lists is several texts and pairs.",
        request=objects(
            {"inputs": {"anyOf": [TEXT, _INPUT, many({"anyOf": [TEXT, _INPUT]})]}}, {**_CUT, "raw_scores": FLAG}
        ),
        answer={"anyOf": [_PREDICTION, {"type": "array", "items": _PREDICTION}]},
    ),
    "/similarity": operation("Compare sentences with one", tag=_TAG, request=_SIMILARITY, answer=_VECTOR),
    "/tokenize": operation(
        "Cut texts into tokens",
        tag=_TAG,
        request=objects({"inputs": _TEXTS}, {"add_special_tokens": FLAG, "prompt_name": _PROMPT}),
        answer={
            "type": "array",
            "items": {
                "type": "array",
                "items": objects(
                    {"id": INDEX, "text": {"type": "string"}, "special": {"type": "boolean"}},
                    {"start": {"type": ["integer", "null"]}, "stop": {"type": ["integer", "null"]}},
                ),
            },
        },
    ),
    "/decode": operation(
        "Join tokens into texts",
        tag=_TAG,
        request=objects({"ids": {"anyOf": [_NUMBERS, many(_NUMBERS)]}}, {"skip_special_tokens": FLAG}),
        answer={"type": "array", "items": {"type": "string"}},
    ),
}
