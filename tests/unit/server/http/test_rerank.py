"""Bodies of the rerank APIs: whose they are, what they ask for, and the answer in the same form."""

from dataclasses import replace

import numpy as np
import pytest

from shortlist.server.errors import InvalidRequest
from shortlist.server.http import rerank
from shortlist.server.search.query import Ranked, Score, Timing

RANKED = Ranked(
    results=[Score(1, 0.75, 1.1), Score(0, 0.25, -1.1)],
    reranked=2,
    degraded="none",
    truncated=0,
    tokens=np.array([7, 9], np.int32),
    timing=Timing(),
)
BODY = {"query": "q", "documents": ["a", "b"]}


def answered(**fields):
    """Return what a body is answered, where `b` is the better of two documents."""
    body = BODY | fields
    dialect = rerank.told_apart(body)
    return dialect.write(dialect.read(body), RANKED, "the-model")


def asked(**fields):
    """Return what a body asks for."""
    body = BODY | fields
    return rerank.told_apart(body).read(body)


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ({"documents": []}, rerank.FAMILY),
        ({"documents": [], "top_n": 1, "return_documents": True}, rerank.FAMILY),
        ({"documents": [], "top_k": None}, rerank.VOYAGE),
        ({"documents": [], "truncation": False}, rerank.VOYAGE),
        ({"passages": []}, rerank.NVIDIA),
        ({}, rerank.FAMILY),
    ],
)
def test_told_apart(body, dialect):
    """A key that only one of them has tells whose body it is, also where it is null."""
    assert rerank.told_apart(body) is dialect


def test_the_family_has_all_that_its_clients_read():
    """Cohere reads id and meta, Jina and vLLM model and usage; documents come only where they are asked for."""
    answer = answered(model="any", unknown=1)
    assert answer["results"] == [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.25}]
    assert answer["usage"] == {"prompt_tokens": 16, "total_tokens": 16}
    assert answer["meta"]["tokens"] == {"input_tokens": 16, "output_tokens": 0}
    assert answer["model"] == "the-model"
    assert answer["id"] != answered()["id"]


def test_documents_are_objects():
    """Cohere, Jina and vLLM carry a document as an object, with all that it came with."""
    found = answered(documents=["a", {"text": "b", "url": "u"}], return_documents="true")["results"]
    assert [one["document"] for one in found] == [{"text": "b", "url": "u"}, {"text": "a"}]


def test_vllm_always_carries_documents():
    """A key that only vLLM has is as good as asking for documents, unless they are not wanted."""
    assert "document" in answered(truncate_prompt_tokens=None)["results"][0]
    assert "document" not in answered(truncate_prompt_tokens=-1, return_documents=False)["results"][0]


def test_voyage_has_data_and_strings():
    """Voyage's results are its data, and its documents plain strings."""
    answer = answered(top_k=None, return_documents=True)
    assert answer["data"] == [
        {"index": 1, "relevance_score": 0.75, "document": "b"},
        {"index": 0, "relevance_score": 0.25, "document": "a"},
    ]
    assert answer["usage"] == {"total_tokens": 16}


def test_what_may_be_either():
    """A body that says nothing of whose it is has its results under both names."""
    assert answered(model="m", return_documents=False)["data"] == answered()["results"]
    assert "data" not in answered(top_n=None)


def test_nvidia_has_logits():
    """NVIDIA's rankings carry logits."""
    body = {"query": {"text": "q"}, "passages": [{"text": "a"}, {"text": "b"}], "truncate": "END", "top_n": "1"}
    found = rerank.NVIDIA.read(body)
    assert (found.query, found.documents, found.top, found.truncation) == ("q", ["a", "b"], 1, "end")
    assert rerank.NVIDIA.write(found, RANKED, "m")["rankings"] == [
        {"index": 1, "logit": 1.1},
        {"index": 0, "logit": -1.1},
    ]


def test_infinity_may_ask_for_logits():
    """`raw_scores` has logits for scores."""
    assert [one["relevance_score"] for one in answered(raw_scores=True)["results"]] == [1.1, -1.1]


def test_late_interaction_has_sums_for_logits():
    """A score that no logit was the source of has its sum of cosines where a logit is asked for."""
    late = replace(RANKED, results=[Score(1, 0.5, None, 6.0), Score(0, 0.0, None, 0.0)])
    body = BODY | {"raw_scores": True}
    answer = rerank.FAMILY.write(rerank.FAMILY.read(body), late, "colbert")
    assert [one["relevance_score"] for one in answer["results"]] == [6.0, 0.0]
    passages = rerank.NVIDIA.read({"query": {"text": "q"}, "passages": [{"text": "a"}, {"text": "b"}]})
    assert [one["logit"] for one in rerank.NVIDIA.write(passages, late, "colbert")["rankings"]] == [6.0, 0.0]
    assert [one["relevance_score"] for one in rerank.FAMILY.write(asked(), late, "c")["results"]] == [0.5, 0.0]


def test_rank_fields():
    """The model reads the fields that are named, in that order; a text has none."""
    documents = [{"text": "t", "title": "T", "year": 2020}, "plain"]
    assert asked(documents=documents).documents == ["t", "plain"]
    assert asked(documents=documents, rank_fields=["title", "none", "year"]).documents == ["T\n2020", "plain"]


def test_numbers_of_documents_and_tokens():
    """0 is all to vLLM, and more tokens or fewer are read of a document as asked."""
    assert asked(top_n=0).top is None
    assert asked(top_n=None).top is None
    assert asked(top_n="2", max_tokens_per_doc=100, max_chunks_per_doc=3).document_tokens == 100
    assert asked(top_k=0).top == 0  # Voyage's; the pipeline refuses it
    assert asked(truncation=False).truncation == "none"
    assert asked(truncation_side="left").truncation == "start"


@pytest.mark.parametrize("document", [5, None, ["a"], {"title": "a"}])
def test_what_is_no_document(document):
    """It is refused with its place."""
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]: got"):
        asked(documents=["a", document])
