"""What products send that are no packages: their requests field by field, and the answers read as they read them.

As the sources of Open WebUI, Dify's official plugins, RAGFlow and LibreChat have them, in the versions that
`Recorded.version` names. Needs no package, so any environment can replay them.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

QUERY = "how do I stop the server?"
PASSAGES = (
    "Bananas are yellow when they are ripe, and green before.",
    "Send SIGTERM to stop the server: it finishes the calls in flight, and ends.",
    "The lighthouse on the cape was built in 1821.",
    "Paris is the capital of France.",
)
RIGHT = 1  # the passage that answers the query

Ranking = list[tuple[int, float]]  # places in PASSAGES and scores, in the order that a product takes from an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A request of a product, and how the product reads the answer."""

    product: str
    version: str  # or the day of its source
    pointed: str  # what its user sets, where ORIGIN is http://HOST:PORT
    path: str
    body: Mapping[str, Any] | None = None  # None: it is a GET
    headers: Mapping[str, str] = field(default_factory=dict)
    reads: Callable[[Any], Any]
    logits: bool = False  # whether it reads logits, and not scores
    expected: object = None  # what a GET must have it read

    def replay(self, origin: str) -> Any:
        """Send it, and return what the product makes of the answer."""
        return self.reads(send(origin + self.path, self.body, self.headers))


def send(url: str, body: Any = None, headers: Mapping[str, str] = {}) -> Any:
    """Send a body as JSON, or get what is there, and return the JSON of the answer.

    Raises:
        AssertionError: it is an error.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **headers})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.code} {error.read().decode()}") from error


def _results(answer: Any) -> Ranking:
    return [(one["index"], one["relevance_score"]) for one in answer["results"]]


def _with_text(answer: Any) -> Ranking:
    """Read an answer that has to carry its documents as objects with their text."""
    for one in answer["results"]:
        assert one["document"]["text"] == PASSAGES[one["index"]]
    return _results(answer)


def _open_webui(answer: Any) -> Ranking:
    """Zip scores with documents: one that is missing would move all that follow."""
    ordered = sorted(answer["results"], key=lambda one: one["index"])
    scores = [one["relevance_score"] for one in ordered]
    assert len(scores) == len(PASSAGES)
    return sorted(enumerate(scores), key=lambda one: -one[1])


def _dify_tei(answer: Any) -> Ranking:
    for one in answer:
        assert one["text"] == PASSAGES[one["index"]]
    return [(one["index"], one["score"]) for one in answer]


def _ragflow(answer: Any) -> Ranking:
    """Put the scores into an array of zeros, by index."""
    found = [0.0] * len(PASSAGES)
    for one in answer["results"]:
        found[one["index"]] = one["relevance_score"]
    return sorted(enumerate(found), key=lambda one: -one[1])


def _ragflow_siliconflow(answer: Any) -> Ranking:
    """Count tokens by Cohere's `meta`, besides."""
    tokens = answer["meta"]["tokens"]
    assert tokens["input_tokens"] + tokens["output_tokens"] > 0
    return _ragflow(answer)


def _ragflow_tei(answer: Any) -> Ranking:
    return sorted(((one["index"], one["score"]) for one in answer), key=lambda one: -one[1])


def _nvidia(answer: Any) -> Ranking:
    return sorted(((one["index"], one["logit"]) for one in answer["rankings"]), key=lambda one: -one[1])


def _librechat_jina(answer: Any) -> Ranking:
    """Take a document's text from an object or a string."""
    for one in answer["results"]:
        document = one["document"]
        assert (document["text"] if isinstance(document, dict) else document) == PASSAGES[one["index"]]
    return _results(answer)


def _librechat_voyage(answer: Any) -> Ranking:
    """Refuse an answer with a missing, doubled or strange index, or a score that is no finite number."""
    assert sorted(one["index"] for one in answer["data"]) == list(range(len(PASSAGES)))
    assert all(0 <= one["relevance_score"] <= 1 for one in answer["data"])
    return [(one["index"], one["relevance_score"]) for one in answer["data"]]


def _first_vector(answer: Any) -> Sequence[float]:
    return answer["data"][0]["embedding"]


def _model_type(answer: Any) -> str:
    """Take the first key: the plugin refuses a model of the other kind."""
    return next(iter(answer["model_type"]))


_DOCUMENTS = list(PASSAGES)
_COUNT = len(PASSAGES)
_COHERE = {"model": "rerank", "query": QUERY, "documents": _DOCUMENTS, "top_n": _COUNT}
_TEI = {"query": QUERY, "texts": _DOCUMENTS}
_BEARER = {"authorization": "Bearer none"}
_OPEN_WEBUI = "read in November 2026"
_DIFY = "2026-08-21"
_RAGFLOW = "2026-08-22"
_LIBRECHAT = "read in November 2026"

RERANKS = (
    Recorded(
        product="Open WebUI, engine external",
        version=_OPEN_WEBUI,
        pointed="RAG_EXTERNAL_RERANKER_URL=ORIGIN/v1/rerank",
        path="/v1/rerank",
        body=_COHERE,
        headers=_BEARER | {"X-OpenWebUI-User-Name": "Ada", "X-OpenWebUI-User-Role": "user"},
        reads=_open_webui,
    ),
    Recorded(
        product="Dify, openai_api_compatible",
        version=_DIFY,
        pointed="endpoint_url=ORIGIN/v1",
        path="/v1/rerank",
        body=_COHERE,
        reads=_results,
    ),
    Recorded(
        product="Dify, huggingface_tei",
        version=_DIFY,
        pointed="server_url=ORIGIN/reranker",
        path="/reranker/rerank",
        body=_TEI | {"return_text": True},
        reads=_dify_tei,
    ),
    Recorded(
        product="Dify, cohere",
        version=_DIFY,
        pointed="base_url=ORIGIN",
        path="/v1/rerank",
        body=_COHERE | {"return_documents": True},
        headers=_BEARER,
        reads=_with_text,
    ),
    Recorded(
        product="Dify, jina",
        version=_DIFY,
        pointed="base_url=ORIGIN/v1",
        path="/v1/rerank",
        body=_COHERE | {"documents": [{"text": one} for one in _DOCUMENTS], "return_documents": False},
        headers=_BEARER,
        reads=_results,
    ),
    Recorded(
        product="Dify, xinference",
        version=_DIFY,
        pointed="server_url=ORIGIN, model_uid=reranker",
        path="/v1/rerank",
        body={
            "model": "reranker",
            "documents": _DOCUMENTS,
            "query": QUERY,
            "top_n": _COUNT,
            "max_chunks_per_doc": None,
            "return_documents": True,
            "return_len": None,
            "kwargs": "{}",
        },
        reads=_with_text,
    ),
    Recorded(
        product="RAGFlow, OpenAI-API-Compatible",
        version=_RAGFLOW,
        pointed="base URL ORIGIN/v1",
        path="/v1/rerank",
        body=_COHERE,
        headers=_BEARER,
        reads=_ragflow,
    ),
    Recorded(
        product="RAGFlow, HuggingFace",
        version=_RAGFLOW,
        pointed="base URL ORIGIN",
        path="/rerank",
        body=_TEI | {"raw_scores": False, "truncate": True},
        reads=_ragflow_tei,
    ),
    Recorded(
        product="RAGFlow, VLLM and Cohere",
        version=_RAGFLOW,
        pointed="base URL ORIGIN",
        path="/v1/rerank",
        body=_COHERE | {"return_documents": False},
        headers=_BEARER,
        reads=_ragflow,
    ),
    Recorded(
        product="RAGFlow, Jina",
        version=_RAGFLOW,
        pointed="base URL ORIGIN/v1/rerank",
        path="/v1/rerank",
        body=_COHERE,
        headers=_BEARER,
        reads=_ragflow,
    ),
    Recorded(
        product="RAGFlow, LocalAI",
        version=_RAGFLOW,
        pointed="base URL ORIGIN",
        path="/rerank",
        body=_COHERE,
        headers=_BEARER,
        reads=_ragflow,
    ),
    Recorded(
        product="RAGFlow, Xinference",
        version=_RAGFLOW,
        pointed="base URL ORIGIN",
        path="/v1/rerank",
        body={
            "model": "reranker",
            "query": QUERY,
            "return_documents": "true",
            "return_len": "true",
            "documents": _DOCUMENTS,
        },
        headers=_BEARER,
        reads=_ragflow,
    ),
    Recorded(
        product="RAGFlow, GPUStack",
        version=_RAGFLOW,
        pointed="base URL ORIGIN",
        path="/v1/rerank",
        body=_COHERE,
        headers=_BEARER,
        reads=_ragflow,
    ),
    Recorded(
        product="RAGFlow, SILICONFLOW",
        version=_RAGFLOW,
        pointed="base URL ORIGIN/v1/rerank",
        path="/v1/rerank",
        body=_COHERE | {"return_documents": False, "max_chunks_per_doc": 1024, "overlap_tokens": 80},
        headers=_BEARER,
        reads=_ragflow_siliconflow,
    ),
    Recorded(
        product="RAGFlow, NVIDIA",
        version=_RAGFLOW,
        pointed="base URL ORIGIN/v1",
        path="/v1/reranking",
        body={
            "model": "reranker",
            "query": {"text": QUERY},
            "passages": [{"text": one} for one in _DOCUMENTS],
            "truncate": "END",
            "top_n": _COUNT,
        },
        headers=_BEARER,
        reads=_nvidia,
        logits=True,
    ),
    Recorded(
        product="LibreChat, rerankerType jina",
        version=_LIBRECHAT,
        pointed="JINA_API_URL=ORIGIN/v1/rerank",
        path="/v1/rerank",
        body={
            "model": "jina-reranker-v2-base-multilingual",
            "query": QUERY,
            "top_n": _COUNT,
            "documents": _DOCUMENTS,
            "return_documents": True,
        },
        headers=_BEARER,
        reads=_librechat_jina,
    ),
    Recorded(
        product="LibreChat, Voyage",
        version=_LIBRECHAT,
        pointed="its URL set to ORIGIN/v1/rerank",
        path="/v1/rerank",
        body={
            "model": "rerank-2.5",
            "query": QUERY,
            "documents": _DOCUMENTS,
            "top_k": _COUNT,
            "return_documents": False,
            "truncation": False,
        },
        headers=_BEARER,
        reads=_librechat_voyage,
    ),
)

EMBEDS = (
    Recorded(
        product="Dify, huggingface_tei",
        version=_DIFY,
        pointed="server_url=ORIGIN/embedder",
        path="/embedder/v1/embeddings",
        body={"input": [PASSAGES[RIGHT]]},
        reads=_first_vector,
    ),
    Recorded(
        product="RAGFlow, HuggingFace",
        version=_RAGFLOW,
        pointed="base URL ORIGIN",
        path="/embed",
        body={"inputs": PASSAGES[RIGHT]},
        reads=lambda answer: answer[0],
    ),
)

LOOKUPS = (
    Recorded(
        product="Dify, huggingface_tei",
        version=_DIFY,
        pointed="server_url=ORIGIN/reranker",
        path="/reranker/info",
        reads=_model_type,
        expected="reranker",
    ),
    Recorded(
        product="Dify, huggingface_tei",
        version=_DIFY,
        pointed="server_url=ORIGIN/embedder",
        path="/embedder/info",
        reads=_model_type,
        expected="embedding",
    ),
    Recorded(
        product="Dify, xinference",
        version=_DIFY,
        pointed="server_url=ORIGIN, model_uid=reranker",
        path="/v1/models/reranker",
        reads=lambda answer: answer["model_type"],
        expected="rerank",
    ),
)
