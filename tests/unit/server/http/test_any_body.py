"""Whatever JSON comes, a face makes arguments of it or refuses it by name: nothing else is raised."""

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.errors import InvalidRequest
from shortlist.server.http import cohere, embeddings, fields, rerank

_NUMBERS = st.one_of(st.integers(-(2**63), 2**64), st.floats(allow_nan=False, allow_infinity=False))
_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), _NUMBERS, st.text(max_size=8), st.sampled_from(["true", "END", "left", "query"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["text", "content", "title", "a"]), inner, max_size=2),
    ),
    max_leaves=6,
)
_NAMES = (
    *(
        "query",
        "documents",
        "passages",
        "input",
        "texts",
        "inputs",
        "embedding_types",
        "top_n",
        "top_k",
        "rank_fields",
    ),
    *("return_documents", "max_tokens_per_doc", "raw_scores", "truncation", "truncate", "truncation_side"),
    *("truncation_direction", "truncate_prompt_tokens", "dimensions", "input_type", "prompt_name", "task", "model"),
)


@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6))
def test_rerank(body: dict[str, Any]):
    """Of a body for reranking come a query and documents that are texts, and whole numbers."""
    with contextlib.suppress(InvalidRequest):
        asked = rerank.told_apart(body).read(body)
        assert isinstance(asked.query, str)
        assert all(isinstance(document, str) for document in asked.documents)
        assert asked.top is None or isinstance(asked.top, int)
        assert asked.carried is None or len(asked.carried) == len(asked.documents)


@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6))
def test_embeddings(body: dict[str, Any]):
    """Of a body for embeddings come texts, and of what is asked beside them what the pipeline takes."""
    for texts in (embeddings.texts, cohere.texts):
        with contextlib.suppress(InvalidRequest):
            assert all(isinstance(text, str) for text in texts(body))
    assert fields.kind(body) in {"query", "document"}
    with contextlib.suppress(InvalidRequest):
        assert fields.truncation(body) in {None, "start", "end", "none"}
