"""Every argument of every method of both clients: a wrong type is InvalidRequest, which says what is right."""

import asyncio
import inspect
import math

import numpy as np
import pytest

from shortlist.client import AsyncClient, Client, Document, Hit, model_requests, requests
from shortlist.client.errors import InvalidRequest

_NO_TEXT = [None, 1, b"text", ["text"], "\ud800"]
_NO_TEXTS = [None, 1, "text", b"text", {"text": 1}, ["a", None], ["a", b"b"], [["a"]], np.array(1)]
_NO_COUNT = [True, np.True_, 1.0, "2", -1, 2**32, math.nan, [1], np.float64(2)]
_NO_NUMBER = [True, "1", b"1", math.nan, [1.0], {}]
_NO_FLAG = ["yes", 1, None, [True]]
_NO_NAME = ["sparse", 1, None, ["auto"], b"auto"]
_HIT = Hit("1", 0.5, 0.5, 0.5, 1, "", "text", {})

_WRONG = {
    "address": [None, 50051, b"here:1", "here", ["here:1"]],
    "timeout_s": [*_NO_NUMBER, -1, math.inf, 1e9],
    "name": _NO_TEXT,
    "collection": _NO_TEXT,
    "collections": _NO_TEXTS,
    "snapshot": _NO_TEXT,
    "embedder": _NO_TEXT,
    "variant": _NO_TEXT,
    "after": _NO_COUNT,
    "on_progress": ["print", 1, [print]],
    "query": _NO_TEXT,
    "source": _NO_TEXT,
    "below": _NO_TEXT,
    "ids_only": _NO_FLAG,
    "exist_ok": _NO_FLAG,
    "create": _NO_FLAG,
    "include_text": _NO_FLAG,
    "include_metadata": _NO_FLAG,
    "include_vectors": _NO_FLAG,
    "fresh": _NO_FLAG,
    "skip_missing": _NO_FLAG,
    "metadata": [None, 1, "text", ["1"], {1: {}}, {"1": None}, {"1": [1]}, {"1": {"a": {1}}}],
    "ids": _NO_TEXTS,
    "texts": _NO_TEXTS,
    "documents": [None, 1, "text", {"id": "1"}, [None], [{"id": "1", "text": "text"}], [_HIT], Document("1", "text")],
    "page_size": _NO_COUNT,
    "top_k": _NO_COUNT,
    "candidates": _NO_COUNT,
    "rerank_candidates": _NO_COUNT,
    "similarity_weight": _NO_NUMBER,
    "margin": _NO_NUMBER,
    "recall_target": _NO_NUMBER,
    "where": [1, "year >= 2020", {}, [{"a": 1}], {1: 2}, {"a": None}, {"a": {}}, {"a": {"near": 1}}, {"a": math.nan}],
    "candidates_from": [one for one in _NO_NAME if one is not None],
    "rank_fusion": _NO_NAME,
    "language": [one for one in _NO_TEXT if one is not None],
    "quantization": [one for one in _NO_NAME if one is not None],
    "token_pooling": [one for one in _NO_NAME if one is not None],
    "ends_only": _NO_FLAG,
    "truncation": [one for one in _NO_NAME if one is not None],
    "dimensions": _NO_COUNT,
    "normalize": _NO_FLAG,
    "max_document_tokens": _NO_COUNT,
    "mode": _NO_NAME,
    "kind": _NO_NAME,
    "credentials": ["shortlist_key", {"api_key": "key"}, 1],
    "model": _NO_NAME,
}
# A rerank's documents are texts; an ingest refuses each of its own by itself; a client has no deadline but its own.
_OF_ONE_METHOD = {
    ("rerank", "documents"): _NO_TEXTS,
    ("set_token_vectors", "token_pooling"): _NO_NAME,
    ("ingest", "documents"): [None, 1, "text", {"id": "1"}, Document("1", "text")],
    ("__init__", "timeout_s"): [*_WRONG["timeout_s"], None, 0],
}
_ITERATORS = ("ingest", "list", "list_sources")  # ask when the first of what they bring is asked for
_SOUND = {
    "name": "notes",
    "collection": "notes",
    "snapshot": "monday",
    "metadata": {"1": {}},
    "query": "text",
    "ids": ["1"],
    "texts": ["text"],
    "token_pooling": "by-two",
    "documents": [Document("1", "text")],
}


def _methods(client: type) -> list[str]:
    return [name for name, one in vars(client).items() if inspect.isfunction(one) and not name.startswith("_")]


def _parameters(client: type, method: str) -> dict[str, inspect.Parameter]:
    return dict(list(inspect.signature(getattr(client, method)).parameters.items())[1:])


_CASES = [
    (client, method, parameter, value)
    for client in (Client, AsyncClient)
    for method in ("__init__", *_methods(client))
    for parameter in _parameters(client, method)
    for value in _OF_ONE_METHOD.get((method, parameter), _WRONG[parameter])
]


def call(client: type, method: str, fields: dict) -> None:
    """Call a method of either client; no server answers."""

    async def with_async_client() -> None:
        async with AsyncClient("127.0.0.1:1") as opened:
            result = getattr(opened, method)(**fields)
            if method in _ITERATORS:
                await anext(result)
            else:
                await result

    if method == "__init__":
        client(**fields)
    elif client is AsyncClient:
        asyncio.run(with_async_client())
    else:
        with Client("127.0.0.1:1") as opened:
            result = getattr(opened, method)(**fields)
            if method in _ITERATORS:
                next(result)


@pytest.mark.parametrize(("client", "method", "parameter", "value"), _CASES)
def test_what_is_of_the_wrong_type(client: type, method: str, parameter: str, value: object):
    """It is refused before anything is sent, by the argument's name."""
    sound = _SOUND | ({"documents": ["text"]} if method == "rerank" else {})
    fields = {name: sound.get(name) for name, one in _parameters(client, method).items() if one.default is one.empty}
    with pytest.raises(InvalidRequest, match=rf"^{parameter}\b.*; "):
        call(client, method, fields | {parameter: value})


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_what_does_not_fit_the_signature(client: type):
    """A missing, a misspelt and a superfluous argument are refused with the form of the call."""
    for method in ("__init__", *_methods(client)):
        with pytest.raises(InvalidRequest, match=r"^\w+: .* argument.*; call it as \w+\("):
            call(client, method, {"colection": "notes"})
    with pytest.raises(InvalidRequest, match=r"^upsert: missing a required argument: 'documents'; call it as "):
        call(client, "upsert", {"collection": [{"id": "1"}]})
    with pytest.raises(InvalidRequest, match=rf"^{client.__name__}: too many positional arguments; call it as "):
        client("here:1", 5.0)


def test_the_second_argument_may_go_without_its_name(scripted):
    """What a call is mostly given beside its texts stands behind them, as one writes it."""
    with Client(scripted.address) as client:
        client.embed(["text"], "query")
        client.rerank("query", ["text"], 3)
        client.tokenize(["text"], "reranker")
    assert [request for _, request in scripted.requests] == [
        model_requests.embed(["text"], "query"),
        model_requests.rerank("query", ["text"], 3),
        model_requests.tokenize(["text"], model="reranker", query="", kind="document", ends_only=False),
    ]


def test_numpy_s_values_are_values():
    """Numbers, truths and strings of numpy are sent as Python's own are."""
    search = requests.search(
        np.str_("notes"),
        "query",
        top_k=np.int64(2),
        candidates=np.uint8(3),
        rerank_candidates=np.int32(1),
        mode=np.str_("dense"),
        include_text=np.True_,
        include_metadata=np.False_,
        include_vectors=np.True_,
        similarity_weight=np.float32(0.5),
        margin=np.float64(0.25),
        where=None,
        candidates_from=np.str_("hybrid"),
        rank_fusion=np.str_("rrf"),
        fresh=np.True_,
    )
    assert search == requests.search(
        *("notes", "query"),
        top_k=2,
        candidates=3,
        rerank_candidates=1,
        mode="dense",
        include_text=True,
        include_metadata=False,
        include_vectors=True,
        similarity_weight=0.5,
        margin=0.25,
        where=None,
        candidates_from="hybrid",
        rank_fusion="rrf",
        fresh=True,
    )
    assert list(model_requests.embed(np.array(["a", "b"]), "query").texts) == ["a", "b"]
    metadata = requests.document(Document("1", "text", metadata={"n": np.int64(3), "x": np.float32(0.5)})).metadata
    assert dict(metadata) == {"n": 3, "x": 0.5}
