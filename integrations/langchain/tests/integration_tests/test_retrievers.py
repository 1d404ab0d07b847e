"""What a retriever does beyond LangChain's standard suite."""

import asyncio

import pytest
from langchain_core.runnables import ConfigurableField, RunnableLambda

from langchain_shortlist import ShortlistRetriever, ShortlistVectorStore
from shortlist.client import Client, InvalidRequest, NotFound, field

QUESTION = "what is the capital of France?"


@pytest.fixture
def filled(name: str) -> str:
    """Return a collection with some texts."""
    texts = ["It rains.", "Paris is the capital of France.", "Berlin is the capital of Germany.", "Bread is baked."]
    metadatas = [{"year": 2020 + place} for place in range(4)]
    ShortlistVectorStore.from_texts(texts, None, metadatas, ids=list("abcd"), collection=name)
    return name


async def test_documents_are_the_hits_of_one_search(filled: str, client: Client):
    """With their ids, texts and metadata, in the server's order, in threads and in asyncio."""
    retriever = ShortlistRetriever(collection=filled, k=3)
    hits = client.search(filled, QUESTION, 3).hits
    expected = [(hit.id, hit.text, hit.metadata) for hit in hits]
    for found in (retriever.invoke(QUESTION), await retriever.ainvoke(QUESTION)):
        assert [(one.id, one.page_content, one.metadata) for one in found] == expected
    assert expected[0][0] == "b"


async def test_the_numbers_of_both_stages(filled: str, client: Client):
    """They are in the metadata on request; without stage two its own are None."""
    retriever = ShortlistRetriever(collection=filled, with_scores=True)
    hits = client.search(filled, QUESTION, 4).hits
    for found in (retriever.invoke(QUESTION), await retriever.ainvoke(QUESTION)):
        numbers = [
            (one.metadata["relevance_score"], one.metadata["score"], one.metadata["similarity"]) for one in found
        ]
        assert numbers == [pytest.approx((hit.relevance, hit.score, hit.similarity)) for hit in hits]
        assert [one.metadata["stage_one_rank"] for one in found] == [hit.rank for hit in hits]
    (first, *_) = ShortlistRetriever(collection=filled, with_scores=True, mode="dense").invoke(QUESTION)
    assert first.metadata["score"] is None
    assert first.metadata["stage_one_rank"] == 1


def test_options_are_the_retrievers_unless_the_call_has_them(filled: str):
    """A filter, as a dict or built, and everything else that a search can be told."""
    retriever = ShortlistRetriever(collection=filled, filter={"year": {"lt": 2021}}, candidates=10)
    assert [one.id for one in retriever.invoke(QUESTION)] == ["a"]
    assert [one.id for one in retriever.invoke(QUESTION, filter=field("year") == 2023, k=2)] == ["d"]
    assert [one.id for one in retriever.invoke(QUESTION, filter=None, k=1, mode="rerank-all")] == ["b"]
    built = ShortlistRetriever(collection=filled, filter=field("year") >= 2022, candidates_from="lexical", margin=2)
    assert [one.id for one in built.invoke(QUESTION)] == ["c"]
    assert "ShortlistRetriever" in repr(built)


def test_what_is_no_option_is_refused(filled: str):
    """By its name, before anything is sent; what the server refuses has its own words."""
    retriever = ShortlistRetriever(collection=filled)
    with pytest.raises(ValueError, match="top_k: got 3, but the options are"):
        retriever.invoke(QUESTION, top_k=3)
    with pytest.raises(InvalidRequest, match="candidates"):
        retriever.invoke(QUESTION, k=4, candidates=2)
    with pytest.raises(NotFound, match="nowhere"):
        ShortlistRetriever(collection="nowhere").invoke(QUESTION)


def test_it_runs_in_chains_batches_and_loops(filled: str):
    """Piped, many at once, and in one event loop after another."""
    retriever = ShortlistRetriever(collection=filled, k=1)
    chain = retriever | RunnableLambda(lambda documents: documents[0].page_content)
    expected = "Paris is the capital of France."
    assert chain.invoke(QUESTION) == expected
    assert chain.batch([QUESTION] * 5) == [expected] * 5
    for _ in range(3):
        assert asyncio.run(chain.abatch([QUESTION] * 5)) == [expected] * 5


def test_a_retriever_that_is_configured_a_call_keeps_its_connections(filled: str):
    """LangChain makes a new one of the old one's fields, whose clients are among them."""
    retriever = ShortlistRetriever(collection=filled, k=1)
    configured = retriever.configurable_fields(k=ConfigurableField(id="k"))
    made, _ = configured.prepare({"configurable": {"k": 3}})
    assert made.clients is retriever.clients
    assert len(configured.invoke(QUESTION, {"configurable": {"k": 3}})) == 3
    assert len(configured.invoke(QUESTION)) == 1
