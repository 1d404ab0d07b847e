"""Retriever, postprocessor and embedding, sync and async, and what LlamaIndex's observers see of them."""

import asyncio
import logging

import llama_index.core.instrumentation as instrument
import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from llama_index.embeddings.shortlist import ShortlistEmbedding
from llama_index.postprocessor.shortlist import ShortlistRerank
from llama_index.retrievers.shortlist import ShortlistRetriever
from llama_index.vector_stores.shortlist import ShortlistVectorStore
from llama_index.vector_stores.shortlist.queries import score
from shortlist.client import Client, Hit, NotFound, SearchResult, Timing

TEXTS = {
    "paris": "Paris is the capital of France.",
    "rome": "Rome is the capital of Italy.",
    "tea": "Boil the water, then pour it over the leaves.",
    "fox": "The quick brown fox jumps over the lazy dog.",
}
QUESTION = "What is the capital of France?"


@pytest.fixture
def filled(store: ShortlistVectorStore) -> ShortlistVectorStore:
    """Return a store that has the texts."""
    store.add([TextNode(id_=name, text=text, metadata={"name": name}) for name, text in TEXTS.items()])
    return store


@pytest.fixture
def nodes() -> list[NodeWithScore]:
    """Return the texts as nodes with scores."""
    return [NodeWithScore(node=TextNode(id_=name, text=text), score=0.1) for name, text in TEXTS.items()]


def test_base_classes():
    """Each class is what LlamaIndex looks for, and is serialized by its name."""
    for found, base in (
        (ShortlistEmbedding, BaseEmbedding),
        (ShortlistRerank, BaseNodePostprocessor),
        (ShortlistVectorStore, BasePydanticVectorStore),
    ):
        assert issubclass(found, base)
        assert found.class_name() == found.__name__
    assert issubclass(ShortlistRetriever, BaseRetriever)


async def test_the_retriever_runs_both_stages(filled: ShortlistVectorStore, client: Client):
    """Nodes come in the order and with the scores of stage two, sync and async alike."""
    retriever = ShortlistRetriever(filled, similarity_top_k=3)
    found = retriever.retrieve(QUESTION)
    assert [(one.node_id, one.score) for one in await retriever.aretrieve(QUESTION)] == [
        (one.node_id, one.score) for one in found
    ]
    hits = client.search(filled.collection, QUESTION, 3).hits
    assert [(one.node_id, one.text, one.score) for one in found] == [
        (one.id, one.text, one.relevance) for one in hits
    ]
    assert (found[0].node_id, found[0].metadata) == ("paris", {"name": "paris"})


async def test_options_of_the_retriever(filled: ShortlistVectorStore):
    """Filters and modes are those of a search; what Shortlist cannot say is refused when it is made."""
    only = MetadataFilters(filters=[MetadataFilter(key="name", value="rome")])
    assert [one.node_id for one in await ShortlistRetriever(filled, filters=only).aretrieve(QUESTION)] == ["rome"]
    dense = ShortlistRetriever(filled, mode="dense").retrieve(QUESTION)
    assert len(dense) == 4
    assert [one.score for one in dense] == sorted((one.score for one in dense), reverse=True)
    words = ShortlistRetriever(filled, mode="dense", candidates_from="lexical").retrieve("leaves")
    assert [one.node_id for one in words] == ["tea"]
    within = MetadataFilters(filters=[MetadataFilter(key="name", value="ro", operator="text_match")])
    with pytest.raises(ValueError, match="Shortlist searches no text within metadata"):
        ShortlistRetriever(filled, filters=within)


async def test_a_query_engine(filled: ShortlistVectorStore):
    """Retriever and postprocessor stand in a query engine, which answers from the node that both put first."""
    engine = RetrieverQueryEngine.from_args(
        ShortlistRetriever(filled, similarity_top_k=4),
        llm=MockLLM(),
        node_postprocessors=[ShortlistRerank(top_n=1)],
    )
    for answer in (engine.query(QUESTION), await engine.aquery(QUESTION)):
        assert [one.node_id for one in answer.source_nodes] == ["paris"]
        assert TEXTS["paris"] in str(answer)


async def test_the_postprocessor(client: Client, nodes: list[NodeWithScore]):
    """Scores are the server's, whatever stands beside a node, and the nodes that came are as they were."""
    rerank = ShortlistRerank(top_n=2)
    found = rerank.postprocess_nodes(nodes, query_str=QUESTION)
    assert found == await rerank.apostprocess_nodes(nodes, query_bundle=QueryBundle(QUESTION))
    expected = client.rerank(QUESTION, list(TEXTS.values()), 2).results
    assert [(one.text, one.score) for one in found] == [(one.text, one.score) for one in expected]
    assert {one.score for one in nodes} == {0.1}
    assert len(ShortlistRerank(top_n=9).postprocess_nodes(nodes, query_str=QUESTION)) == 4
    assert rerank.postprocess_nodes([], query_str=QUESTION) == []
    assert await rerank.apostprocess_nodes([], query_str=QUESTION) == []
    with pytest.raises(ValueError, match="pass query_bundle or query_str"):
        rerank.postprocess_nodes(nodes)
    with pytest.raises(ValueError, match="pass query_bundle or query_str"):
        await rerank.apostprocess_nodes(nodes)


@pytest.mark.parametrize("blank", ["", " \n\t"])
async def test_nodes_without_text_come_last(blank: str, nodes: list[NodeWithScore]):
    """They fail no other: they follow what was scored, in the order that they came in and without a score."""
    first, last = (NodeWithScore(node=TextNode(id_=name, text=blank), score=0.9) for name in ("first", "last"))
    mixed, rerank = [first, *nodes, last], ShortlistRerank(top_n=6)
    expected = rerank.postprocess_nodes(nodes, query_str=QUESTION)
    for found in (
        rerank.postprocess_nodes(mixed, query_str=QUESTION),
        await rerank.apostprocess_nodes(mixed, query_str=QUESTION),
    ):
        assert found[:4] == expected
        assert [(one.node_id, one.score) for one in found[4:]] == [("first", None), ("last", None)]
    assert ShortlistRerank(top_n=2).postprocess_nodes(mixed, query_str=QUESTION) == expected[:2]
    assert len(ShortlistRerank(top_n=5).postprocess_nodes(mixed, query_str=QUESTION)) == 5
    (alone,) = ShortlistRerank(address="127.0.0.1:1").postprocess_nodes([last], query_str=QUESTION)
    assert (alone.node_id, alone.score, last.score) == ("last", None, 0.9)


async def test_a_search_makes_no_collection(store: ShortlistVectorStore, client: Client):
    """A name that is mistyped is an error of a retriever, and not an answer; other calls make the collection."""
    retriever = ShortlistRetriever(store)
    with pytest.raises(NotFound, match=store.collection):
        retriever.retrieve(QUESTION)
    with pytest.raises(NotFound, match=store.collection):
        await retriever.aretrieve(QUESTION)
    assert store.collection not in {one.name for one in client.list_collections()}
    assert store.get_nodes() == []
    assert retriever.retrieve(QUESTION) == []


def test_the_postprocessor_reads_metadata(client: Client):
    """A node is read as LlamaIndex gives it to an embedding: metadata first, without what is excluded."""
    node = TextNode(text="is the capital", metadata={"city": "Paris", "n": 1}, excluded_embed_metadata_keys=["n"])
    (found,) = ShortlistRerank().postprocess_nodes([NodeWithScore(node=node)], query_str=QUESTION)
    assert found.score == client.rerank(QUESTION, ["city: Paris\n\nis the capital"]).results[0].score


class Observer(BaseEventHandler):
    """What LlamaIndex's dispatcher was told of reranking."""

    events: list = []  # noqa: RUF012 (pydantic copies it)

    def handle(self, event, **kwargs):
        """Keep an event."""
        if isinstance(event, ReRankStartEvent | ReRankEndEvent):
            self.events.append(event)


async def test_events(nodes: list[NodeWithScore]):
    """Dispatcher and callback manager see what goes in and what comes out, once for each call, sync and async."""
    observer, debug = Observer(), LlamaDebugHandler(print_trace_on_end=False)
    rerank = ShortlistRerank(top_n=2, model="cross-encoder", callback_manager=CallbackManager([debug]))
    root = instrument.get_dispatcher()
    root.add_event_handler(observer)
    try:
        found = [
            rerank.postprocess_nodes(nodes, query_str=QUESTION),
            await rerank.apostprocess_nodes(nodes, query_str=QUESTION),
        ]
    finally:
        root.event_handlers.remove(observer)
    starts, ends = observer.events[::2], observer.events[1::2]
    assert [(one.query.query_str, one.top_n, one.model_name) for one in starts] == [
        (QUESTION, 2, "cross-encoder")
    ] * 2
    assert [len(one.nodes) for one in starts] == [4, 4]
    assert [one.nodes for one in ends] == found
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 2


async def test_the_embedding(client: Client):
    """Queries and texts are embedded as what they are, in batches, and alone as in a batch."""
    embedding, texts = ShortlistEmbedding(embed_batch_size=3), list(TEXTS.values())
    query = list(client.embed([QUESTION], "query").vectors[0])
    assert embedding.get_query_embedding(QUESTION) == await embedding.aget_query_embedding(QUESTION) == query
    expected = [pytest.approx(list(one), abs=1e-6) for one in client.embed(texts).vectors]
    assert embedding.get_text_embedding_batch(texts) == expected
    assert await embedding.aget_text_embedding_batch(texts) == expected
    assert embedding.get_text_embedding(texts[0]) == expected[0]
    assert await embedding.aget_text_embedding(texts[0]) == expected[0]
    assert all(type(number) is float for number in query)


def test_loops_that_come_and_go(filled: ShortlistVectorStore, nodes: list[NodeWithScore]):
    """The same objects answer in one event loop after another, and in threads."""
    retriever, rerank, embedding = ShortlistRetriever(filled), ShortlistRerank(), ShortlistEmbedding()

    async def in_a_loop() -> tuple:
        return (
            [one.node_id for one in await retriever.aretrieve(QUESTION)],
            await rerank.apostprocess_nodes(nodes, query_str=QUESTION),
            await embedding.aget_query_embedding(QUESTION),
        )

    assert asyncio.run(in_a_loop()) == asyncio.run(in_a_loop())


def test_serialization():
    """What is made of an object's dictionary has its fields, and the dictionary holds no connection."""
    for made in (ShortlistEmbedding(address="localhost:1"), ShortlistRerank(address="localhost:1", top_n=7)):
        again = type(made).from_dict(made.to_dict())
        assert again.to_dict() == made.to_dict()
        assert again.address == "localhost:1"


def test_copies_keep_working(caplog: pytest.LogCaptureFixture):
    """LlamaIndex drops what it cannot pickle on the way to other processes, with a warning: here nothing."""
    with caplog.at_level(logging.WARNING):
        copied = ShortlistEmbedding().__getstate__()
    assert "unpickleable" not in caplog.text
    assert "_clients" in copied["__pydantic_private__"]


def test_wrong_arguments():
    """An address that is none, and no nodes to return, are refused at once."""
    with pytest.raises(ValueError, match="address: got '', but it must not be empty"):
        ShortlistEmbedding(address="")
    with pytest.raises(ValueError, match="top_n"):
        ShortlistRerank(top_n=0)


def test_a_node_s_score_is_the_last_stage_s():
    """Stage two's, in mode dense the similarity, of late interaction a mean cosine; None where it did not read it."""
    timing = Timing(*[0.0] * 9)
    answers = {
        mode: SearchResult((), 1, 1, None, 0.0, 1, mode, "dense", None, 0, timing, query_vectors=4)
        for mode in ("cascade", "dense", "late-interaction")
    }
    read = Hit("1", 0.7, 0.6, 0.5, 3, "", "text", {}, maxsim=3.0, maxsim_rank=1)
    unread = Hit("2", None, None, 0.25, 4, "", "text", {})
    assert [score(read, answer) for answer in answers.values()] == [0.7, 0.5, 0.75]
    assert [score(unread, answer) for answer in answers.values()] == [None, 0.25, None]
