"""What the store keeps of a document, what it refuses, and how many it takes."""

import json
from dataclasses import replace

import pytest
from haystack import Document
from haystack.components.caching import CacheChecker
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers import SentenceWindowRetriever
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DocumentStoreError, DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy

from haystack_integrations.components.embedders.shortlist import ShortlistDocumentEmbedder
from haystack_integrations.document_stores.shortlist import ShortlistDocumentStore, documents
from shortlist.client import Client, Hit, SearchResult, Timing
from shortlist.client import Document as Stored

META = {"n": 1, "half": 0.5, "yes": True, "none": None, "list": [1, "x", {"deep": []}], "of": {"name": "Ä"}}


async def test_a_document_comes_back(document_store: ShortlistDocumentStore, client: Client):
    """Id, text and meta of every JSON type come back as they were, and the embedding only where it is asked for."""
    given = Document(id="a/1", content="Paris is the capital of France.", meta=META)
    assert await document_store.write_documents_async([given], DuplicatePolicy.OVERWRITE) == 1
    assert document_store.filter_documents() == await document_store.filter_documents_async() == [given]
    whole = ShortlistDocumentStore(document_store.collection, return_embedding=True)
    (made,) = client.embed([given.content]).vectors
    for found in (
        *whole.filter_documents(),
        *await whole.filter_documents_async(),
        *whole.search("capital", top_k=1),
        *await whole.search_async("capital", top_k=1),
    ):
        assert found.embedding == pytest.approx(made, abs=1e-6)
    assert document_store.search("capital")[0].embedding is None


def test_an_embedding_that_a_document_brings(document_store: ShortlistDocumentStore):
    """It is stored as it is, and stage one finds by it: here a text on a fox has the embedding of a text on tea."""
    tea, fox = Document(id="tea", content="boil water for tea"), Document(id="fox", content="the quick brown fox")
    embedded = ShortlistDocumentEmbedder().run(documents=[tea])["documents"]
    assert tea.embedding is None
    document_store.write_documents([Document(id="fox", content=fox.content, embedding=embedded[0].embedding)])
    (found,) = document_store.search("boil water for tea", mode="dense")
    assert (found.id, found.score) == ("fox", pytest.approx(1, abs=0.01))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            Document(id="1", blob=ByteStream(b"x")),
            "document '1' has a blob, which Shortlist does not store; convert it",
        ),
        (Document(id="1", content="x", blob=ByteStream(b"x")), "document '1' has a blob"),
        (
            Document(id="1", content="x", sparse_embedding=SparseEmbedding([1], [0.5])),
            "document '1' has a sparse_embedding, .*; leave it out: documents are found by their words",
        ),
        (Document(id="1"), "document '1' has no text, and Shortlist finds documents by theirs; convert it"),
        (Document(id="1", content=" \n"), "document '1' has no text"),
    ],
)
async def test_what_would_be_lost_is_refused(document_store: ShortlistDocumentStore, given: Document, message: str):
    """A document that cannot be stored whole is refused by name, and nothing of its call is written."""
    sound = Document(id="0", content="text")
    with pytest.raises(DocumentStoreError, match=message):
        document_store.write_documents([sound, given])
    with pytest.raises(DocumentStoreError, match=message):
        await document_store.write_documents_async([sound, given])
    assert document_store.count_documents() == 0


async def test_what_the_server_refuses(document_store: ShortlistDocumentStore):
    """The error says how many were refused and why; the others are stored."""
    given = [
        Document(id="0", content="text"),
        Document(id="1", content="x", embedding=[1.0, 2.0]),
        Document(id="2", content="x", meta={"at": {1, 2}}),
    ]
    message = r"2 of 3 documents were refused, the others are stored: '\d': .*; '\d': "
    with pytest.raises(DocumentStoreError, match=message) as caught:
        document_store.write_documents(given, DuplicatePolicy.OVERWRITE)
    assert "'1': vector: got '2 numbers', but those of this server's embedder have" in str(caught.value)
    assert "set is not a JSON value" in str(caught.value)
    with pytest.raises(DocumentStoreError, match=message):
        await document_store.write_documents_async(given, DuplicatePolicy.OVERWRITE)
    assert [one.id for one in document_store.filter_documents()] == ["0"]


async def test_an_id_that_comes_twice_in_a_call(document_store: ShortlistDocumentStore):
    """FAIL writes nothing, SKIP the first, OVERWRITE the last."""
    first, last = Document(id="1", content="first"), Document(id="1", content="last")
    with pytest.raises(DuplicateDocumentError, match="id '1' comes twice"):
        document_store.write_documents([first, last])
    assert document_store.count_documents() == 0
    assert await document_store.write_documents_async([first, last], DuplicatePolicy.SKIP) == 1
    assert document_store.filter_documents() == [first]
    assert document_store.write_documents([first, last], DuplicatePolicy.OVERWRITE) == 2
    assert document_store.filter_documents() == [last]


async def test_more_than_a_call_takes(document_store: ShortlistDocumentStore):
    """2,500 documents are written, skipped, refused, updated and deleted, though a call to the server takes 1,000."""
    given = [Document(id=f"{n}", content=f"text {n % 7}", meta={"n": n}) for n in range(2500)]
    assert DocumentWriter(document_store).run(documents=given)["documents_written"] == 2500
    assert await document_store.write_documents_async(given, DuplicatePolicy.SKIP) == 0
    with pytest.raises(DuplicateDocumentError, match="'0' and 2,499 others already exists; nothing was written"):
        document_store.write_documents([*given, Document(id="new", content="text")])
    assert document_store.update_by_filter({"field": "meta.n", "operator": "<", "value": 2000}, {"low": True}) == 2000
    assert document_store.count_documents_by_filter({"field": "meta.low", "operator": "==", "value": True}) == 2000
    document_store.delete_documents([one.id for one in given[:2000]])
    await document_store.delete_documents_async([one.id for one in given[:2400]])
    assert document_store.count_documents() == 100


def test_a_collection_of_others(collection: str, client: Client):
    """What was indexed by other means is found; a title is in the meta, unless there is one."""
    client.create_collection(collection, language="german")
    client.upsert(
        collection,
        [
            Stored("1", "Paris ist die Hauptstadt.", title="Frankreich"),
            Stored("2", "Rom", title="x", metadata={"title": "y"}),
        ],
    )
    store = ShortlistDocumentStore(collection)
    assert [one.meta for one in store.filter_documents()] == [{"title": "Frankreich"}, {"title": "y"}]
    assert store.search("Hauptstadt")[0].meta == {"title": "Frankreich"}


async def test_recreate(collection: str, client: Client):
    """A collection that is made anew has what was chosen of the old one, and the language that the store names."""
    store = ShortlistDocumentStore(collection, language="german")
    store.write_documents([Document(content="text")])
    before = client.create_collection(collection, exist_ok=True)
    store.delete_all_documents(recreate_collection=True)
    await store.delete_all_documents_async(recreate_collection=True)
    after = client.create_collection(collection, exist_ok=True)
    assert (after.documents, after.language) == (0, "german")
    assert (after.quantization, after.recall.target) == (before.quantization, before.recall.target)
    assert after.created_at > before.created_at


async def test_haystacks_own_readers_of_a_store(document_store: ShortlistDocumentStore):
    """The splitter's documents come back with all of their meta, and Haystack's components read around them."""
    text = " ".join(f"This is sentence {n}." for n in range(12))
    splitter = DocumentSplitter(split_by="word", split_length=8, split_overlap=2)
    parts = splitter.run(documents=[Document(id="whole", content=text)])["documents"]
    DocumentWriter(document_store).run(documents=parts)
    as_json = [replace(one, meta=json.loads(json.dumps(one.meta))) for one in parts]  # without tuples
    found = {one.id: one for one in document_store.filter_documents()}
    assert found == {one.id: one for one in as_json}
    windows = SentenceWindowRetriever(document_store, window_size=1)
    around = windows.run(retrieved_documents=[parts[2]])
    assert around == await windows.run_async(retrieved_documents=[parts[2]])
    assert [one.id for one in around["context_documents"]] == [one.id for one in parts[1:4]]
    assert CacheChecker(document_store, "source_id").run(items=["whole", "no"])["misses"] == ["no"]


def test_a_hit_that_stage_two_did_not_read():
    """It has no score, since stage one's is of another scale; without a stage two the score is the last stage's."""
    hit = Hit("1", relevance=None, score=None, similarity=0.25, rank=1, title="", text="text", metadata={})
    assert documents.found(hit, _answer("two-stage")).score is None
    assert documents.found(hit, _answer("dense")).score == 0.25
    assert documents.found(hit, _answer("late-interaction")).score is None
    assert documents.found(replace(hit, maxsim=3.0), _answer("late-interaction")).score == 0.75


def _answer(mode):
    """Return an answer of a mode, to a query of four token vectors."""
    timing = Timing(*[0.0] * 9)
    return SearchResult((), 1, 1, None, 0.0, 1, mode, "dense", None, 0, timing, query_vectors=4)
