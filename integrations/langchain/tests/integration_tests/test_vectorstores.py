"""What a vector store does beyond LangChain's standard suite."""

import asyncio

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from langchain_shortlist import RefusedDocuments, ShortlistEmbeddings, ShortlistVectorStore
from shortlist.client import Client, DeadlineExceeded, InvalidRequest, NotFound, field

TEXTS = {
    "paris": ("Paris is the capital of France.", {"year": 2019, "lang": "en"}),
    "berlin": ("Berlin is the capital of Germany.", {"year": 2021, "lang": "en"}),
    "rome": ("Rome is the capital of Italy.", {"year": 2023, "lang": "en"}),
    "brot": ("Brot wird aus Mehl gebacken.", {"year": 2024, "lang": "de"}),
    "rain": ("It rains more in autumn than in spring.", {"year": 2020, "lang": "en"}),
}
QUESTION = "what is the capital of France?"


@pytest.fixture
def store(name: str) -> ShortlistVectorStore:
    """Return a store with some texts."""
    texts, metadatas = zip(*TEXTS.values(), strict=True)
    return ShortlistVectorStore.from_texts(list(texts), None, list(metadatas), ids=list(TEXTS), collection=name)


def ids(documents: list[Document]) -> list[str]:
    """Return the ids of documents."""
    return [str(one.id) for one in documents]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"year": {"gte": 2021}}, {"berlin", "rome", "brot"}),
        ({"lang": "de"}, {"brot"}),
        (field("year").is_in([2019, 2020]), {"paris", "rain"}),
        (~(field("lang") == "en") | (field("year") < 2020), {"paris", "brot"}),
        ({"year": 1999}, set()),
    ],
)
async def test_filters(store: ShortlistVectorStore, where, expected: set[str]):
    """Every search with a filter, as a dict or built, finds all that match and nothing else."""
    options = {"k": 10, "filter": where}
    assert set(ids(store.similarity_search(QUESTION, **options))) == expected
    assert set(ids(await store.asimilarity_search(QUESTION, **options))) == expected
    assert {one.id for one, _ in store.similarity_search_with_score(QUESTION, **options)} == expected
    assert {one.id for one, _ in await store.asimilarity_search_with_score(QUESTION, **options)} == expected
    assert set(ids(store.max_marginal_relevance_search(QUESTION, **options))) == expected
    assert set(ids(await store.amax_marginal_relevance_search(QUESTION, **options))) == expected
    assert set(ids(store.as_retriever(search_kwargs=options).invoke(QUESTION))) == expected


def test_a_filter_that_is_none_is_refused(store: ShortlistVectorStore):
    """A test that there is not, and a field that no document has, are named."""
    with pytest.raises(InvalidRequest, match="the tests of a field are"):
        store.similarity_search(QUESTION, filter={"year": {"$gte": 2020}})
    with pytest.raises(InvalidRequest, match="yaer"):
        store.similarity_search(QUESTION, filter={"yaer": 2020})


async def test_deletion_by_filter_and_by_id(store: ShortlistVectorStore, client: Client):
    """What matches is deleted, in threads and in asyncio; ids that are not there are no error."""
    assert store.delete(filter={"lang": "de"}) is True
    assert await store.adelete(filter={"year": {"gte": 2023}}) is True
    assert await store.adelete(["rain", "never there"]) is True
    assert store.delete([]) is True
    assert {one.id for one in client.list(store.collection)} == {"paris", "berlin"}


@pytest.mark.parametrize("given", [{}, {"ids": ["paris"], "filter": {"lang": "de"}}, {"ids": ["paris"], "where": {}}])
async def test_a_deletion_that_does_not_say_of_what_is_refused(store: ShortlistVectorStore, client: Client, given):
    """Neither all documents nor some are deleted by a mistake."""
    with pytest.raises(ValueError, match=r"delete: got (neither|both)|where: got \{\}"):
        store.delete(**given)
    with pytest.raises(ValueError, match=r"delete: got (neither|both)|where: got \{\}"):
        await store.adelete(**given)
    assert client.count(store.collection) == len(TEXTS)


async def test_scores_fall_and_are_those_of_stage_two(store: ShortlistVectorStore, client: Client):
    """The same as the server's own, best first; relevance is the same number, from 0 to 1."""
    expected = [(hit.id, hit.relevance) for hit in client.search(store.collection, QUESTION, 5).hits]
    found = store.similarity_search_with_score(QUESTION, k=5)
    assert [(one.id, score) for one, score in found] == expected
    assert found == await store.asimilarity_search_with_score(QUESTION, 5)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert found == store.similarity_search_with_relevance_scores(QUESTION, 5)
    assert found == await store.asimilarity_search_with_relevance_scores(QUESTION, 5)
    assert found[0][0].id == "paris"
    assert 0 <= scores[-1] < scores[0] <= 1


async def test_a_search_by_stage_one_alone_has_cosines(store: ShortlistVectorStore):
    """Scores are the cosines of the embedder's own vectors, and relevance is not below 0."""
    embeddings = store.embeddings
    query, vector = embeddings.embed_query(QUESTION), embeddings.embed_documents([TEXTS["paris"][0]])[0]
    cosine = np.dot(query, vector) / np.linalg.norm(query) / np.linalg.norm(vector)
    found = {one.id: score for one, score in store.similarity_search_with_score(QUESTION, k=5, mode="dense")}
    assert found["paris"] == pytest.approx(cosine, abs=2e-3)  # the index holds float16
    relevances = await store.asimilarity_search_with_relevance_scores(QUESTION, k=5, mode="dense")
    assert [max(0.0, found[one.id]) for one, _ in relevances] == [score for _, score in relevances]


async def test_a_retriever_with_a_threshold(store: ShortlistVectorStore):
    """Only what stage two is sure of passes."""
    scores = [score for _, score in store.similarity_search_with_score(QUESTION, k=5)]
    between = (scores[0] + scores[1]) / 2
    retriever = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": between, "k": 5}
    )
    assert ids(retriever.invoke(QUESTION)) == ["paris"]
    assert ids(await retriever.ainvoke(QUESTION)) == ["paris"]


async def test_diverse_documents_are_those_that_langchain_chooses(store: ShortlistVectorStore):
    """By its own function on the embedder's vectors, and through a retriever."""
    vectors = store.embeddings.embed_documents([text for text, _ in TEXTS.values()])
    query = np.array(store.embeddings.embed_query(QUESTION))
    chosen = maximal_marginal_relevance(query, vectors, lambda_mult=0.4, k=3)
    expected = [list(TEXTS)[place] for place in chosen]
    options = {"k": 3, "lambda_mult": 0.4}
    assert ids(store.max_marginal_relevance_search(QUESTION, **options)) == expected
    retriever = store.as_retriever(search_type="mmr", search_kwargs=options)
    assert ids(await retriever.ainvoke(QUESTION)) == expected


def test_what_the_server_has_not_is_not_implemented(store: ShortlistVectorStore):
    """A search by a vector says so."""
    with pytest.raises(NotImplementedError):
        store.similarity_search_by_vector([0.1])
    with pytest.raises(NotImplementedError):
        store.max_marginal_relevance_search_by_vector([0.1])


def test_thousands_of_texts(store: ShortlistVectorStore, client: Client):
    """More than a call holds are added, got and deleted in one each; adding them again changes nothing."""
    texts = [f"number {number}" for number in range(2500)]
    keys = [f"n{number}" for number in range(2500)]
    metadatas = [{"number": number} for number in range(2500)]
    assert store.add_texts((text for text in texts), metadatas, ids=keys) == keys
    assert store.add_texts(texts, metadatas, ids=keys) == keys
    assert client.count(store.collection) == 2500 + len(TEXTS)
    found = store.get_by_ids([*keys, "missing", *keys[:10]])
    assert [(one.id, one.page_content, one.metadata["number"]) for one in found] == list(
        zip(keys, texts, range(2500), strict=True)
    )
    assert asyncio.run(store.aget_by_ids(keys)) == found
    assert store.delete(keys) is True
    assert client.count(store.collection) == len(TEXTS)


async def test_an_addition_tells_which_documents_were_refused(store: ShortlistVectorStore, client: Client):
    """Those at fault by id and reason; the others are stored, and a text that was there stays as it was."""
    texts = ["Madrid is the capital of Spain.", " ", "Oslo is the capital of Norway.", "A new Paris."]
    metadatas = [{}, {}, {}, {"bad": object()}]
    keys = ["madrid", "empty", "oslo", "paris"]
    with pytest.raises(RefusedDocuments, match="2 of 4 documents were refused") as raised:
        store.add_texts(texts, metadatas, ids=keys)
    with pytest.raises(RefusedDocuments, match="2 of 4 documents were refused") as raised_later:
        await store.aadd_texts(texts, metadatas, ids=keys)
    for error in (raised.value, raised_later.value):
        assert error.refused.keys() == {"empty", "paris"}
        assert error.stored == ["madrid", "oslo"]
        assert error.refused["empty"].field == "text"
    assert store.get_by_ids(["paris"])[0].page_content == TEXTS["paris"][0]
    assert client.count(store.collection) == len(TEXTS) + 2


async def test_the_first_addition_makes_the_collection(name: str, client: Client):
    """Before it a search says that there is none."""
    store = ShortlistVectorStore(name)
    with pytest.raises(NotFound, match=name):
        store.similarity_search(QUESTION)
    await store.aadd_documents([Document("Paris is the capital of France.")])
    assert client.count(name) == 1


async def test_a_store_of_no_texts_is_an_empty_collection(name: str):
    """It can be searched, and filled later."""
    store = await ShortlistVectorStore.afrom_texts([], collection=name)
    assert store.similarity_search(QUESTION) == []
    assert ShortlistVectorStore.from_documents([], collection=name).similarity_search(QUESTION) == []


async def test_stores_are_made_of_documents(name: str, client: Client):
    """Without an Embeddings, or with the server's; those of others are refused before anything is sent."""
    documents = [Document("Paris is the capital of France.", id="1", metadata={"year": 2024}), Document("It rains.")]
    store = ShortlistVectorStore.from_documents(documents, collection=name)
    again = await ShortlistVectorStore.afrom_documents(documents[:1], ShortlistEmbeddings(), collection=name)
    assert again.get_by_ids(["1"]) == documents[:1]
    assert client.count(name) == 2
    with pytest.raises(ValueError, match="got DeterministicFakeEmbedding, but the server embeds"):
        ShortlistVectorStore.from_documents(documents, DeterministicFakeEmbedding(size=6), collection="other")
    assert store.similarity_search(QUESTION, k=1) == documents[:1]


def test_metadata_come_back_as_they_were(store: ShortlistVectorStore):
    """Whole numbers as int, others as float, and what is nested; in searches and by id."""
    metadata = {"int": 7, "float": 0.5, "none": None, "true": True, "list": [1, "a", {"b": 2}], "text": "äöü"}
    store.add_texts(["Oslo is the capital of Norway."], [metadata], ids=["oslo"])
    for (one,) in (store.get_by_ids(["oslo"]), store.similarity_search("capital of Norway", k=1)):
        assert one.metadata == metadata
        assert {key: type(value) for key, value in one.metadata.items()} == {
            key: type(value) for key, value in metadata.items()
        }


async def test_both_models_read_a_title(name: str, client: Client):
    """It is that of the stored document, finds it, and comes back with the metadata as they were."""
    store = ShortlistVectorStore(name, title_key="title")
    texts = ["It has two million inhabitants.", "It has four million inhabitants."]
    metadatas = [{"title": "Paris, France"}, {"title": "Berlin, Germany"}]
    await store.aadd_texts(texts, metadatas, ids=["paris", "berlin"])
    assert [one.title for one in client.get(name, ["paris", "berlin"])] == ["Paris, France", "Berlin, Germany"]
    for city in ("Paris", "Berlin"):
        (found,) = store.similarity_search(f"how many people live in {city}?", k=1)
        assert found.metadata["title"].startswith(city)
        assert found.page_content in texts


def test_langchains_index_adds_what_is_new_and_deletes_what_is_gone(store: ShortlistVectorStore, client: Client):
    """Its incremental and full modes leave in the collection what was given last."""
    records = InMemoryRecordManager(namespace=store.collection)
    records.create_schema()
    documents = [Document(f"text {number}", metadata={"source": f"{number % 2}"}) for number in range(6)]
    options = {"source_id_key": "source", "key_encoder": "sha256", "batch_size": 2}
    store.delete(list(TEXTS))
    assert index(documents, records, store, cleanup="full", **options)["num_added"] == 6
    assert index(documents, records, store, cleanup="full", **options)["num_skipped"] == 6
    assert index(documents[2:], records, store, cleanup="full", **options)["num_deleted"] == 2
    assert {one.text for one in client.list(store.collection)} == {one.page_content for one in documents[2:]}


async def test_a_deadline_is_that_of_the_call_before_that_of_the_store(silent: str):
    """Where no answer comes, a call ends with the client's own error once its time is over."""
    patient = ShortlistVectorStore("notes", address=silent, timeout_s=1000)
    hasty = ShortlistVectorStore("notes", address=silent, timeout_s=0.05)
    with pytest.raises(DeadlineExceeded, match=r"timeout_s=0\.05"):
        hasty.similarity_search(QUESTION)
    with pytest.raises(DeadlineExceeded, match=r"timeout_s=0\.06"):
        patient.similarity_search(QUESTION, timeout_s=0.06)
    with pytest.raises(DeadlineExceeded, match=r"timeout_s=0\.05"):
        await hasty.aadd_texts(["text"])
    with pytest.raises(DeadlineExceeded, match=r"timeout_s=0\.06"):
        patient.add_texts(["text"], timeout_s=0.06)
    with pytest.raises(DeadlineExceeded, match=r"timeout_s=0\.06"):
        await patient.adelete(filter={"year": 2024}, timeout_s=0.06)


def test_asyncio_needs_no_threads(store: ShortlistVectorStore, monkeypatch: pytest.MonkeyPatch):
    """Every asynchronous call is one on the event loop, and works in one loop after another."""

    def refuse(*given: object) -> None:
        raise AssertionError(f"run in a thread: {given}")

    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", refuse)

    async def all_of_it() -> list[str]:
        await store.aadd_texts(["Oslo is the capital of Norway."], ids=["oslo"])
        await store.aadd_documents([Document("It snows.")], ids=["snow"])
        assert len(await store.aget_by_ids(["oslo", "snow"])) == 2
        await store.adelete(["oslo", "snow"])
        await ShortlistVectorStore.afrom_documents([], collection=store.collection)
        await store.asimilarity_search_with_score(QUESTION)
        await store.amax_marginal_relevance_search(QUESTION)
        await store.embeddings.aembed_documents(["text"])
        await store.embeddings.aembed_query("text")
        return ids(await store.as_retriever(search_kwargs={"k": 1}).ainvoke(QUESTION))

    assert [asyncio.run(all_of_it()) for _ in range(3)] == [["paris"]] * 3


async def test_a_search_by_a_vector_says_what_to_use(collection: str):
    """By each of its names; stage two needs the question."""
    store = ShortlistVectorStore(collection)
    for search in (store.similarity_search_by_vector, store.max_marginal_relevance_search_by_vector):
        with pytest.raises(NotImplementedError, match=r"begin with the query's text, .*; use similarity_search or"):
            search([0.0])
    for search in (store.asimilarity_search_by_vector, store.amax_marginal_relevance_search_by_vector):
        with pytest.raises(NotImplementedError, match=r"begin with the query's text, .*; use similarity_search or"):
            await search([0.0])
