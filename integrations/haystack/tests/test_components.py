"""The components, alone and in pipelines, sync and async, and out of their own serialization."""

import asyncio

import pytest
from haystack import Document, Pipeline
from haystack.components.retrievers import MultiQueryTextRetriever
from haystack.document_stores.types import FilterPolicy

from haystack_integrations.components.embedders.shortlist import ShortlistDocumentEmbedder, ShortlistTextEmbedder
from haystack_integrations.components.rankers.shortlist import ShortlistRanker
from haystack_integrations.components.retrievers.shortlist import ShortlistRetriever
from haystack_integrations.document_stores.shortlist import ShortlistDocumentStore
from shortlist.client import Client, DeadlineExceeded, InvalidRequest, NotFound, Unavailable

TEXTS = {
    "paris": "Paris is the capital of France.",
    "rome": "Rome is the capital of Italy.",
    "tea": "Boil the water, then pour it over the leaves.",
    "fox": "The quick brown fox jumps over the lazy dog.",
}
QUESTION = "What is the capital of France?"


@pytest.fixture
def filled(document_store: ShortlistDocumentStore) -> ShortlistDocumentStore:
    """Return a store that has the texts."""
    document_store.write_documents(
        [Document(id=name, content=text, meta={"n": n, "name": name}) for n, (name, text) in enumerate(TEXTS.items())]
    )
    return document_store


async def test_the_retriever_runs_both_stages(filled: ShortlistDocumentStore, client: Client):
    """Documents come in the order and with the scores of stage two, sync and async alike."""
    retriever = ShortlistRetriever(filled, top_k=3)
    found = retriever.run(query=QUESTION)["documents"]
    assert found == (await retriever.run_async(query=QUESTION))["documents"]
    hits = client.search(filled.collection, QUESTION, 3).hits
    assert [(one.id, one.content, one.score) for one in found] == [(one.id, one.text, one.relevance) for one in hits]
    assert (found[0].id, found[0].meta) == ("paris", {"n": 0, "name": "paris"})
    assert len(retriever.run(query=QUESTION, top_k=1)["documents"]) == 1


def test_stage_one_alone(filled: ShortlistDocumentStore):
    """In mode `dense` a score is the similarity, by vectors, and by words documents without one are not found."""
    dense = ShortlistRetriever(filled, mode="dense").run(query=QUESTION)["documents"]
    assert len(dense) == len(TEXTS)
    assert [one.score for one in dense] == sorted((one.score for one in dense), reverse=True)
    words = ShortlistRetriever(filled, mode="dense", candidates_from="lexical").run(query="leaves")["documents"]
    assert [one.id for one in words] == ["tea"]


def test_the_retriever_is_a_text_retriever(filled: ShortlistDocumentStore):
    """Haystack's retriever of several queries runs it in threads, and joins what each query found."""
    several = MultiQueryTextRetriever(retriever=ShortlistRetriever(filled, top_k=1), max_workers=4)
    queries = ["capital of France", "capital of Italy", "how to make tea", "a quick animal"]
    assert {one.id for one in several.run(queries=queries)["documents"]} == set(TEXTS)


async def test_filters_of_the_retriever(filled: ShortlistDocumentStore):
    """A run's filters replace those of the component, or are joined with them."""
    low = {"field": "meta.n", "operator": "<", "value": 2}
    high = {"field": "meta.name", "operator": "!=", "value": "paris"}
    ids = {}
    for policy in FilterPolicy:
        retriever = ShortlistRetriever(filled, filters=low, filter_policy=policy)
        assert {one.id for one in retriever.run(query=QUESTION)["documents"]} == {"paris", "rome"}
        ids[policy] = {one.id for one in (await retriever.run_async(query=QUESTION, filters=high))["documents"]}
    assert ids == {FilterPolicy.REPLACE: {"rome", "tea", "fox"}, FilterPolicy.MERGE: {"rome"}}


async def test_the_ranker(client: Client):
    """Scores are the server's, whatever stands beside a document; of one id the better one is read."""
    documents = [Document(id=name, content=text, score=0.1) for name, text in TEXTS.items()]
    twice = [*documents, Document(id="paris", content="nothing of it", score=0.0)]
    ranker = ShortlistRanker(top_k=2)
    found = ranker.run(query=QUESTION, documents=twice)["documents"]
    assert found == (await ranker.run_async(query=QUESTION, documents=twice))["documents"]
    expected = client.rerank(QUESTION, list(TEXTS.values()), 2).results
    assert [(one.content, one.score) for one in found] == [(one.text, one.score) for one in expected]
    assert documents[0].score == 0.1
    assert len(ranker.run(query=QUESTION, documents=documents, top_k=3)["documents"]) == 3
    assert len(ShortlistRanker(top_k=None).run(query=QUESTION, documents=documents)["documents"]) == 4
    assert ranker.run(query=QUESTION, documents=[]) == await ranker.run_async(QUESTION, []) == {"documents": []}


def test_the_ranker_reads_fields_of_the_meta(client: Client):
    """Fields that a document has are read before its text."""
    ranker = ShortlistRanker(meta_fields_to_embed=["city", "none"], embedding_separator=": ")
    documents = [Document(content="is the capital of France", meta={"city": "Paris", "none": None})]
    (found,) = ranker.run(query=QUESTION, documents=documents)["documents"]
    assert found.score == client.rerank(QUESTION, ["Paris: is the capital of France"]).results[0].score


@pytest.mark.parametrize("blank", [None, "", " \n\t"])
async def test_documents_without_text_come_last(blank: str | None):
    """They fail no other: they follow what was scored, in the order that they came in and without a score."""
    documents = [Document(id=name, content=text) for name, text in TEXTS.items()]
    first, last = (Document(id=name, content=blank, meta={"n": 1}, score=0.9) for name in ("first", "last"))
    mixed, ranker = [first, *documents, last], ShortlistRanker(top_k=None)
    expected = ranker.run(query=QUESTION, documents=documents)["documents"]
    for found in (
        ranker.run(query=QUESTION, documents=mixed)["documents"],
        (await ranker.run_async(query=QUESTION, documents=mixed))["documents"],
    ):
        assert found[:4] == expected
        assert [(one.id, one.score) for one in found[4:]] == [("first", None), ("last", None)]
    assert ranker.run(query=QUESTION, documents=mixed, top_k=2)["documents"] == expected[:2]
    assert len(ranker.run(query=QUESTION, documents=mixed, top_k=5)["documents"]) == 5
    (alone,) = ShortlistRanker(address="127.0.0.1:1").run(query=QUESTION, documents=[last])["documents"]
    assert (alone.id, alone.score, last.score) == ("last", None, 0.9)


async def test_a_search_makes_no_collection(document_store: ShortlistDocumentStore, client: Client):
    """A name that is mistyped is an error of a retriever, and not an answer; other calls make the collection."""
    retriever = ShortlistRetriever(document_store)
    with pytest.raises(NotFound, match=document_store.collection):
        retriever.run(query=QUESTION)
    with pytest.raises(NotFound, match=document_store.collection):
        await retriever.run_async(query=QUESTION)
    assert document_store.collection not in {one.name for one in client.list_collections()}
    assert document_store.count_documents() == 0
    assert retriever.run(query=QUESTION) == {"documents": []}


async def test_the_document_embedder_names_what_has_no_text():
    """By its id, before anything is sent; fields of the meta are text as well."""
    nobody = ShortlistDocumentEmbedder(address="127.0.0.1:1", batch_size=1)
    documents = [Document(content="text"), Document(id="blank", content=" ", meta={"title": "T"})]
    with pytest.raises(ValueError, match="document 'blank' has no text to embed"):
        nobody.run(documents=documents)
    with pytest.raises(ValueError, match="document 'blank' has no text to embed"):
        await nobody.run_async(documents=documents)
    found = ShortlistDocumentEmbedder(meta_fields_to_embed=["title"]).run(documents=documents)
    assert all(one.embedding for one in found["documents"])


async def test_the_embedders(client: Client):
    """Queries and documents are embedded as what they are, in batches; the documents that came are as they were."""
    text = ShortlistTextEmbedder()
    assert text.run(text=QUESTION) == await text.run_async(text=QUESTION)
    assert tuple(text.run(text=QUESTION)["embedding"]) == client.embed([QUESTION], "query").vectors[0]
    documents = [Document(content=one, meta={"title": "T"}) for one in TEXTS.values()]
    embedder = ShortlistDocumentEmbedder(batch_size=3, meta_fields_to_embed=["title"])
    found = embedder.run(documents=documents)
    assert found == await embedder.run_async(documents=documents)
    expected = client.embed([f"T\n{one}" for one in TEXTS.values()]).vectors
    assert [one.embedding for one in found["documents"]] == [pytest.approx(one, abs=1e-6) for one in expected]
    assert [one.embedding for one in documents] == [None] * 4
    assert embedder.run(documents=[]) == {"documents": [], "meta": {"truncated": 0, "usage": usage(0)}}
    long = embedder.run(documents=[Document(content="word " * 2000), documents[0]])
    window = client.describe().embedder.max_tokens
    assert long["meta"] == {"truncated": 1, "usage": usage(window + client.embed([f"T\n{TEXTS['paris']}"]).tokens)}


def usage(tokens: int) -> dict[str, int]:
    """Return what Haystack's embedders say of tokens."""
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def pipeline(store: ShortlistDocumentStore) -> Pipeline:
    """Return a pipeline with every component: its ranker reads what its retriever found."""
    made = Pipeline()
    made.add_component("retriever", ShortlistRetriever(store, mode="dense", top_k=4))
    made.add_component("ranker", ShortlistRanker(top_k=2))
    made.add_component("text", ShortlistTextEmbedder())
    made.add_component("documents", ShortlistDocumentEmbedder())
    made.connect("retriever.documents", "ranker.documents")
    made.connect("ranker.documents", "documents.documents")
    return made


INPUTS = {"retriever": {"query": QUESTION}, "ranker": {"query": QUESTION}, "text": {"text": QUESTION}}


def test_a_pipeline_and_its_yaml(filled: ShortlistDocumentStore):
    """A pipeline answers, and so does what is read from its YAML, also after it was closed."""
    first = pipeline(filled)
    found = first.run(INPUTS)
    again = Pipeline.loads(first.dumps())
    assert again.to_dict()["components"] == first.to_dict()["components"]
    assert again.run(INPUTS) == found
    assert [one.id for one in found["documents"]["documents"]] == ["paris", "rome"]
    first.close()
    assert first.run(INPUTS) == found
    again.close()


def test_loops_that_come_and_go(filled: ShortlistDocumentStore):
    """A pipeline runs in one event loop after another, and closes what it opened there."""
    made = pipeline(filled)

    async def in_a_loop() -> dict:
        found = await made.run_async(INPUTS)
        await made.close_async()
        return found

    assert asyncio.run(in_a_loop()) == asyncio.run(in_a_loop()) == made.run(INPUTS)
    made.close()


def test_another_store_is_refused():
    """The retriever searches on the server, so it needs the store that is there."""
    with pytest.raises(TypeError, match="must be a ShortlistDocumentStore, but got 3"):
        ShortlistRetriever(3)  # type: ignore[arg-type]


def test_no_server(monkeypatch: pytest.MonkeyPatch):
    """An address that is wrong is refused at once, and a server that is not there at the first call."""
    with pytest.raises(InvalidRequest, match="address"):
        ShortlistRanker(address="")
    monkeypatch.setenv("SHORTLIST_ADDRESS", "127.0.0.1:1")
    with pytest.raises((Unavailable, DeadlineExceeded)):
        ShortlistTextEmbedder(timeout_s=1).run(text="x")
