"""A reranker behind a retriever."""

import asyncio

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_shortlist import ShortlistRerank
from shortlist.client import Client, DeadlineExceeded, InvalidRequest

QUESTION = "what is the capital of France?"
TEXTS = [
    "It rains more in autumn than in spring.",
    "Berlin is the capital of Germany.",
    "Paris is the capital of France.",
    "Brot wird aus Mehl gebacken.",
]


def documents() -> list[Document]:
    """Return documents, the best of them not first."""
    return [Document(text, id=str(place), metadata={"place": place}) for place, text in enumerate(TEXTS)]


async def test_the_order_and_the_scores_are_the_rerankers(client: Client):
    """All documents, best first, as copies that keep id and metadata; those that came in are as they were."""
    given = documents()
    expected = client.rerank(QUESTION, TEXTS).results
    rerank = ShortlistRerank(top_n=None)
    found = rerank.compress_documents(given, QUESTION)
    assert [one.id for one in found] == [str(one.index) for one in expected]
    assert [one.metadata["relevance_score"] for one in found] == pytest.approx([one.score for one in expected])
    assert found == await rerank.acompress_documents(given, QUESTION)
    assert given == documents()
    assert found[0].id == "2"
    assert found[0].metadata["place"] == 2


@pytest.mark.parametrize(("top_n", "count"), [(1, 1), (2, 2), (3, 3), (100, 4)])
def test_the_best_few_are_kept(top_n: int, count: int):
    """`top_n` of them, or as many as there are; 3 unless told otherwise."""
    everything = ShortlistRerank(top_n=None).compress_documents(documents(), QUESTION)
    assert ShortlistRerank(top_n=top_n).compress_documents(documents(), QUESTION) == everything[:count]
    assert ShortlistRerank().compress_documents(documents(), QUESTION) == everything[:3]


async def test_documents_are_read_as_they_are_asked_to():
    """Of each some tokens, so that what differs behind them has one score; or whole, or not at all."""
    alike = [Document(f"Paris is the capital {rest}") for rest in ("of France.", "of bread.")]
    first, second = ShortlistRerank(max_document_tokens=4).compress_documents(alike, QUESTION)
    assert first.metadata["relevance_score"] == pytest.approx(second.metadata["relevance_score"], abs=1e-6)
    with pytest.raises(InvalidRequest, match="tokens"):
        await ShortlistRerank(truncation="none").acompress_documents([Document("word " * 1000)], QUESTION)


async def test_no_documents_are_no_call():
    """There is nothing to ask a server, not even one that is away."""
    nobody = ShortlistRerank(address="127.0.0.1:1")
    assert nobody.compress_documents([], QUESTION) == []
    assert await nobody.acompress_documents([], QUESTION) == []


@pytest.mark.parametrize("blank", ["", " \n\t", "\u00a0"])
async def test_documents_without_text_come_last(blank: str):
    """They fail no other: they follow what was scored, in the order that they came in and without a score."""
    mixed = [Document(blank, id="first"), *documents(), Document(blank, id="last")]
    expected = ShortlistRerank(top_n=None).compress_documents(documents(), QUESTION)
    for found in (
        ShortlistRerank(top_n=None).compress_documents(mixed, QUESTION),
        await ShortlistRerank(top_n=None).acompress_documents(mixed, QUESTION),
    ):
        assert found[:-2] == expected
        assert [(one.id, one.metadata) for one in found[-2:]] == [
            (name, {"relevance_score": None}) for name in ("first", "last")
        ]
    assert ShortlistRerank(top_n=2).compress_documents(mixed, QUESTION) == expected[:2]
    nobody = ShortlistRerank(address="127.0.0.1:1")
    (alone,) = nobody.compress_documents([Document(blank)], QUESTION)
    assert alone.metadata == {"relevance_score": None}


async def test_more_documents_than_a_call_holds():
    """They are scored in several calls, and the best of all comes first."""
    many = [Document(f"word {number}", id=str(number)) for number in range(1100)]
    many[1050] = Document(TEXTS[2], id="the answer")
    for found in (
        ShortlistRerank(top_n=None).compress_documents(many, QUESTION),
        await ShortlistRerank(top_n=None).acompress_documents(many, QUESTION),
    ):
        assert found[0].id == "the answer"
        assert len({one.id for one in found}) == 1100


async def test_errors_are_the_clients(silent: str):
    """A query that no model can read, and a deadline that has passed."""
    with pytest.raises(InvalidRequest, match="query"):
        ShortlistRerank().compress_documents([Document("text")], "")
    with pytest.raises(DeadlineExceeded):
        await ShortlistRerank(address=silent, timeout_s=0.05).acompress_documents(documents(), QUESTION)


def test_it_stands_behind_any_retriever(client: Client):
    """ContextualCompressionRetriever, over a store of LangChain's own, in threads and in one loop after another."""
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=6))
    store.add_documents(documents())
    retriever = ContextualCompressionRetriever(
        base_compressor=ShortlistRerank(top_n=2), base_retriever=store.as_retriever(search_kwargs={"k": 4})
    )
    expected = [str(one.index) for one in client.rerank(QUESTION, TEXTS, 2).results]
    assert [one.id for one in retriever.invoke(QUESTION)] == expected
    for _ in range(2):
        assert [one.id for one in asyncio.run(retriever.ainvoke(QUESTION))] == expected
