"""What the store keeps of a node, how it is searched, and what it deletes."""

import copy
import pickle
from dataclasses import replace

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import IndexNode, MetadataMode, Node, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from llama_index.embeddings.shortlist import ShortlistEmbedding
from llama_index.vector_stores.shortlist import ShortlistVectorStore, queries
from shortlist.client import Client
from shortlist.client import Document as Stored

TEXTS = {
    "paris": "Paris is the capital of France.",
    "rome": "Rome is the capital of Italy.",
    "tea": "Boil the water, then pour it over the leaves.",
    "fox": "The quick brown fox jumps over the lazy dog.",
}
QUESTION = "What is the capital of France?"
MODES = [
    (VectorStoreQueryMode.DEFAULT, {"mode": "dense", "candidates_from": "dense"}),
    (VectorStoreQueryMode.HYBRID, {"mode": "dense", "candidates_from": "hybrid"}),
    (VectorStoreQueryMode.TEXT_SEARCH, {"mode": "dense", "candidates_from": "lexical"}),
    (VectorStoreQueryMode.SEMANTIC_HYBRID, {}),
]


def made_of(ref_doc_id: str, **fields) -> TextNode:
    """Return a node that was made of a document."""
    return TextNode(relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=ref_doc_id)}, **fields)


@pytest.fixture
def filled(store: ShortlistVectorStore) -> ShortlistVectorStore:
    """Return a store that has the texts, the first two of one document."""
    store.add(
        [
            made_of("places" if n < 2 else "others", id_=name, text=text, metadata={"n": n})
            for n, (name, text) in enumerate(TEXTS.items())
        ]
    )
    return store


@pytest.mark.parametrize(
    "given",
    [
        TextNode(
            id_="a/1",
            text=" Paris\n",
            metadata={"n": 1, "list": [1, "x"], "of": {"name": "Ä"}, "none": None, "doc_id": "mine"},
            excluded_embed_metadata_keys=["n"],
            text_template="{content} ({metadata_str})",
            start_char_idx=3,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="d")},
        ),
        IndexNode(id_="i", text="Paris", index_id="elsewhere"),
        Node(id_="n", text_resource={"text": "Paris"}, metadata={"n": 1}),
    ],
)
async def test_a_node_comes_back(store: ShortlistVectorStore, given):
    """Every field and the kind of a node come back as they were, from every call that returns nodes."""
    assert store.add([given]) == await store.async_add([given]) == [given.node_id]
    query = VectorStoreQuery(query_str="Paris", similarity_top_k=1)
    for found in (
        store.get_nodes([given.node_id]),
        await store.aget_nodes([given.node_id]),
        store.get_nodes(),
        store.query(query).nodes,
        (await store.aquery(query)).nodes,
    ):
        assert [(type(one), one.model_dump()) for one in found] == [(type(given), given.model_dump())]


def test_what_the_models_read(store: ShortlistVectorStore, client: Client):
    """Both read a node's metadata before its text, as LlamaIndex gives it to an embedding."""
    node = TextNode(
        id_="1", text="is the capital", metadata={"city": "Paris", "n": 1}, excluded_embed_metadata_keys=["n"]
    )
    store.add([node])
    (stored,) = client.get(store.collection, ["1"], include_vectors=True)
    assert (stored.title, stored.text) == ("city: Paris", "is the capital")
    expected = ShortlistEmbedding().get_text_embedding(node.get_content(MetadataMode.EMBED))
    assert stored.vector == pytest.approx(expected, abs=1e-6)
    (hit,) = client.search(store.collection, QUESTION).hits
    (alone,) = client.rerank(QUESTION, [node.get_content(MetadataMode.EMBED)]).results
    assert hit.score == pytest.approx(alone.score, abs=1e-6)


async def test_an_embedding_that_a_node_brings(store: ShortlistVectorStore):
    """It is stored as it is, and stage one finds by it: here a text on a fox has the embedding of a text on tea."""
    embedded = ShortlistEmbedding().get_text_embedding(TEXTS["tea"])
    store.add([TextNode(id_="fox", text=TEXTS["fox"], embedding=embedded)])
    found = await store.aquery(VectorStoreQuery(query_str=TEXTS["tea"]))
    assert (found.ids, found.similarities) == (["fox"], [pytest.approx(1, abs=0.01)])


@pytest.mark.parametrize(("mode", "options"), MODES)
async def test_query_modes(filled: ShortlistVectorStore, client: Client, mode: VectorStoreQueryMode, options: dict):
    """Each mode is the search that it is documented to be, sync and async."""
    query = VectorStoreQuery(query_str=QUESTION, similarity_top_k=3, mode=mode)
    found = filled.query(query)
    assert found == await filled.aquery(query)
    result = client.search(filled.collection, QUESTION, 3, **options)
    assert found.ids == [one.node_id for one in found.nodes] == [hit.id for hit in result.hits]
    assert found.ids[0] == "paris"
    scores = [hit.similarity if options else hit.relevance for hit in result.hits]
    assert found.similarities == scores


def test_a_hit_that_stage_two_did_not_read(client: Client, filled: ShortlistVectorStore):
    """It has no score, since that of stage one is another scale, also in a result of LlamaIndex's."""
    found = client.search(filled.collection, QUESTION, 2)
    unread = replace(found, hits=(found.hits[0], replace(found.hits[1], relevance=None, score=None)))
    assert queries.result(unread).similarities == [found.hits[0].relevance, None]


def test_options_of_a_query(filled: ShortlistVectorStore):
    """Documents, nodes and filters narrow a query down, each alone and all together; options go to the search."""

    def ids(**fields) -> set[str]:
        return set(filled.query(VectorStoreQuery(query_str=QUESTION, similarity_top_k=9, **fields)).ids)

    low = MetadataFilters(filters=[MetadataFilter(key="n", value=2, operator=FilterOperator.LT)])
    assert ids(doc_ids=["places"]) == ids(filters=low) == {"paris", "rome"}
    assert ids(node_ids=["tea", "rome", "no"]) == {"tea", "rome"}
    assert ids(doc_ids=["places"], node_ids=["tea", "rome"], filters=low) == {"rome"}
    assert ids(doc_ids=["no"]) == set()
    assert ids(doc_ids=[]) == ids(node_ids=[]) == set(TEXTS)
    hybrid = VectorStoreQuery(query_str=QUESTION, mode=VectorStoreQueryMode.HYBRID, hybrid_top_k=2)
    assert len(filled.query(hybrid).ids) == 2
    both = VectorStoreQuery(query_str=QUESTION, mode=VectorStoreQueryMode.SEMANTIC_HYBRID, similarity_top_k=4)
    assert filled.query(both, mode="two-stage", candidates=4).similarities == filled.query(both).similarities


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"mode": VectorStoreQueryMode.MMR},
            "query mode 'mmr': Shortlist has default, text_search, hybrid, semantic",
        ),
        ({"mode": VectorStoreQueryMode.SPARSE}, "query mode 'sparse'"),
        ({"alpha": 0.5}, "alpha: got 0.5, but Shortlist has no such option; leave it out"),
        ({"query_str": None, "query_embedding": [1.0]}, "query_str: Shortlist searches for a text, not for an embed"),
    ],
)
async def test_queries_that_are_refused(filled: ShortlistVectorStore, fields: dict, message: str):
    """What Shortlist does not do is refused by name, and not passed over."""
    query = VectorStoreQuery(**{"query_str": QUESTION, **fields})
    with pytest.raises(ValueError, match=message):
        filled.query(query)
    with pytest.raises(ValueError, match=message):
        await filled.aquery(query)


async def test_deletion(filled: ShortlistVectorStore):
    """A document's nodes go together, nodes by id, filter or both, all by clear; what is not there is no error."""
    high = MetadataFilters(filters=[MetadataFilter(key="n", value=0, operator=FilterOperator.GT)])

    def left() -> set[str]:
        return {one.node_id for one in filled.get_nodes()}

    filled.delete("nowhere")
    await filled.adelete("nowhere")
    filled.delete_nodes(["paris", "tea"], high)
    assert left() == {"paris", "rome", "fox"}
    await filled.adelete_nodes(["rome", "no"])
    assert left() == {"paris", "fox"}
    with pytest.raises(ValueError, match="name node_ids, filters or both"):
        filled.delete_nodes()
    await filled.adelete("others")
    assert left() == {"paris"}
    filled.delete("places")
    assert left() == set()
    for clear in (filled.clear, filled.aclear):
        filled.add([TextNode(text="text")])
        if (awaited := clear()) is not None:
            await awaited
        assert left() == set()


async def test_more_than_a_call_takes(store: ShortlistVectorStore):
    """2,500 nodes are added, read and deleted, though a call to the server takes 1,000; of one id the last counts."""
    nodes = [TextNode(id_=str(n), text=f"text {n % 7}") for n in range(2500)]
    assert store.add([TextNode(id_="7", text="another"), *nodes]) == ["7", *(str(n) for n in range(2500) if n != 7)]
    assert store.get_nodes(["7"])[0].text == "text 0"
    ids = [one.node_id for one in nodes]
    assert [one.node_id for one in await store.aget_nodes(ids)] == ids
    store.delete_nodes(ids[:2400])
    assert sorted(one.node_id for one in store.get_nodes()) == ids[2400:]


async def test_what_the_server_refuses(store: ShortlistVectorStore):
    """The error says how many nodes were refused and why; the others are stored."""
    nodes = [TextNode(id_="0", text="text"), TextNode(id_="1", text=" "), TextNode(id_="2", text="x", embedding=[1])]
    message = r"2 of 3 nodes were refused, the others are stored: '\d': .*; '\d': "
    with pytest.raises(ValueError, match=message) as caught:
        store.add(nodes)
    assert "'1': text: got ' '" in str(caught.value)
    assert "'2': vector: got '1 numbers', but those of this server's embedder have" in str(caught.value)
    with pytest.raises(ValueError, match=message):
        await store.async_add(nodes)
    assert [one.node_id for one in store.get_nodes()] == ["0"]


def test_a_collection_of_others(collection: str, client: Client):
    """What was indexed by other means is found; a title is in the metadata, unless there is one."""
    client.create_collection(collection, language="german")
    documents = [Stored("1", "Paris", title="Frankreich"), Stored("2", "Rom", title="x", metadata={"title": "y"})]
    client.upsert(collection, documents)
    store = ShortlistVectorStore(collection=collection)
    assert [(one.node_id, one.text, one.metadata) for one in store.get_nodes()] == [
        ("1", "Paris", {"title": "Frankreich"}),
        ("2", "Rom", {"title": "y"}),
    ]
    store.delete("a document that nothing was made of")
    assert client.count(collection) == 2


async def test_an_index(store: ShortlistVectorStore):
    """An index over the store inserts, retrieves in each mode, and deletes documents, sync and async."""
    embedding = ShortlistEmbedding()
    context = StorageContext.from_defaults(vector_store=store)
    documents = [Document(doc_id=name, text=text) for name, text in TEXTS.items()]
    index = VectorStoreIndex.from_documents(documents[:3], storage_context=context, embed_model=embedding)
    index.insert(documents[3])
    again = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
    for mode, _ in MODES:
        retriever = again.as_retriever(similarity_top_k=1, vector_store_query_mode=mode)
        (found,), (also,) = retriever.retrieve(QUESTION), await retriever.aretrieve(QUESTION)
        assert (found.node.ref_doc_id, found.score) == (also.node.ref_doc_id, also.score) == ("paris", found.score)
    index.delete_ref_doc("paris")
    await index.adelete_ref_doc("rome")
    assert {one.ref_doc_id for one in store.get_nodes()} == {"tea", "fox"}


def test_an_ingestion_pipeline(store: ShortlistVectorStore):
    """A document that changed replaces its nodes, and one that did not costs nothing."""
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), ShortlistEmbedding()],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
    )
    long = " ".join(f"This is sentence {n} of a document." for n in range(40))
    assert len(pipeline.run(documents=[Document(doc_id="d", text=long), Document(doc_id="e", text="short")])) > 4
    assert pipeline.run(documents=[Document(doc_id="e", text="short")]) == []
    pipeline.run(documents=[Document(doc_id="d", text="now short as well")])
    assert {one.text for one in store.get_nodes()} == {"short", "now short as well"}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301 (our own)
def test_copies(filled: ShortlistVectorStore, copied):
    """A copy, and what is unpickled or made of its own dictionary, is the same store."""
    other = copied(filled)
    assert other.to_dict() == filled.to_dict()
    assert len(other.get_nodes()) == 4
    assert len(ShortlistVectorStore.from_dict(filled.to_dict()).get_nodes()) == 4
    assert ShortlistVectorStore.class_name() == "ShortlistVectorStore"
