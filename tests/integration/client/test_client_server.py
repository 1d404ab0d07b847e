"""Both clients against a real server: every call, once."""

import asyncio
import math

import pytest

from shortlist.client import AlreadyExists, AsyncClient, Client, Document, InvalidRequest, NotFound, Source, TooLarge

PARIS = Document("paris", "Paris is the capital of France.", "Cities", {"population": 2_100_000, "tags": ["city"]})
BERLIN = Document("berlin", "Berlin is the capital of Germany.")
_ITERATORS = {"list", "list_sources"}


@pytest.fixture(params=["Client", "AsyncClient"])
def call(request, server):
    """Call a method of either client, and return what it returns; an iterator as a list."""

    def with_client(method, *arguments, **fields):
        with Client(server.address) as client:
            result = getattr(client, method)(*arguments, **fields)
            return list(result) if method in _ITERATORS else result

    async def with_async_client(method, *arguments, **fields):
        async with AsyncClient(server.address) as client:
            result = getattr(client, method)(*arguments, **fields)
            return [one async for one in result] if method in _ITERATORS else await result

    if request.param == "Client":
        return with_client
    return lambda *arguments, **fields: asyncio.run(with_async_client(*arguments, **fields))


@pytest.fixture
def cities(call, request):
    """Make a collection of two documents, and drop it afterwards."""
    name = f"cities-{request.node.name.lower().partition('[')[0].replace('test_', '')[:50]}"
    call("create_collection", name)
    call("upsert", name, [PARIS, BERLIN])
    yield name
    call("drop_collection", name)


def test_documents_come_back_as_they_went(call, cities):
    """Get and list return what upsert was given, and delete takes it away."""
    assert call("get", cities, ["berlin", "paris"]) == (BERLIN, PARIS)
    assert {document.id for document in call("list", cities, page_size=1)} == {"paris", "berlin"}
    assert call("delete", cities, ["paris", "rome"]) == 1
    assert call("list", cities) == [BERLIN]


def test_documents_are_found_by_their_source(call, cities):
    """What came from one place is listed by it, with no more than ids where that will do, and counted."""
    oslo, rome = (Document(one, f"{one} is a capital", source=f"europe/{one}.txt") for one in ("oslo", "rome"))
    call("upsert", cities, [oslo, rome])
    assert call("list", cities, source="europe/oslo.txt") == [oslo]
    assert call("list", cities, source="europe/rome.txt", ids_only=True) == [Document("rome", "", source=rome.source)]
    found = [Source("europe/oslo.txt", 1), Source("europe/rome.txt", 1)]
    assert call("list_sources", cities) == call("list_sources", cities, below="europe", page_size=1) == found
    assert call("list_sources", cities, below="europ") == []


def test_an_upsert_tells_what_it_did(call, cities):
    """New, changed and equal documents are counted apart."""
    changed = Document("berlin", "Berlin is the capital of Germany, again.")
    result = call("upsert", cities, [PARIS, changed, Document("rome", "Rome is the capital of Italy.")])
    assert (result.inserted, result.updated, result.unchanged) == (1, 1, 1)


def test_a_search_returns_both_stages(call, cities):
    """Hits carry score, similarity, rank and document, best first."""
    result = call("search", cities, "what is the capital of France?", candidates=10, mode="two-stage")
    assert (result.mode, result.reranked, result.candidates, result.degraded) == ("two-stage", 2, 2, None)
    assert sorted(hit.rank for hit in result.hits) == [1, 2]
    assert result.hits[0].score >= result.hits[1].score
    (paris,) = (hit for hit in result.hits if hit.id == "paris")
    assert (paris.title, paris.text, paris.metadata) == (PARIS.title, PARIS.text, PARIS.metadata)
    assert result.timing.total_ms > 0


def test_a_dense_search_has_no_scores(call, cities):
    """Mode dense leaves stage two out, and hits without text stay without."""
    result = call("search", cities, "capital", mode="dense", include_text=False, include_metadata=False)
    assert [(hit.score, hit.title, hit.text, hit.metadata) for hit in result.hits] == [(None, "", "", {})] * 2


def test_collections(call, cities):
    """A collection that is there is refused, returned, and listed with its documents."""
    with pytest.raises(AlreadyExists):
        call("create_collection", cities)
    collection = call("create_collection", cities, exist_ok=True)
    assert (collection.name, collection.documents) == (cities, 2)
    assert collection in call("list_collections")


def test_errors_are_those_of_python(call, cities):
    """What is not there is a LookupError, what is out of its limits a ValueError, each with what tells it apart."""
    with pytest.raises(NotFound, match="rome") as missing:
        call("get", cities, ["rome"])
    assert missing.value.reason == "UNKNOWN_DOCUMENT"
    with pytest.raises(LookupError) as missing:
        call("search", "no-such-collection", "query")
    assert missing.value.reason == "UNKNOWN_COLLECTION"
    with pytest.raises(InvalidRequest, match="top_k: got 0, but") as refused:
        call("search", cities, "query", top_k=0)
    assert (refused.value.field, refused.value.reason) == ("top_k", "INVALID_REQUEST")
    with pytest.raises(TooLarge) as refused:
        call("embed", ["text"] * 1001)
    assert refused.value.field == "texts"


def test_models_one_by_one(call):
    """Vectors, scores and tokens are those of the models that the server describes."""
    description = call("wait_until_ready")
    embedded = call("embed", ["one text", "another"], kind="query")
    assert [len(vector) for vector in embedded.vectors] == [description.embedder.dimensions] * 2
    reranked = call("rerank", "capital", ["Paris", "Berlin", "Rome"], top_k=2)
    assert (len(reranked.results), reranked.reranked) == (2, 3)
    assert all(one.text == ["Paris", "Berlin", "Rome"][one.index] for one in reranked.results)
    assert all(one.score == pytest.approx(1 / (1 + math.exp(-one.logit))) for one in reranked.results)
    long = " ".join(["Paris"] * 1000)
    cut = call("embed", [long], truncation="start", dimensions=4)
    assert (len(cut.vectors[0]), cut.truncated, cut.tokens) == (4, 1, description.embedder.max_tokens)
    assert math.hypot(*call("embed", [long], normalize=True).vectors[0]) == pytest.approx(1, abs=1e-6)
    with pytest.raises(InvalidRequest, match=r"documents\[1\]: .* lets nothing be cut off"):
        call("rerank", "capital", ["Paris", long], truncation="none")
    assert call("rerank", "capital", [long], max_document_tokens=1).truncated == 1
    (tokens,) = call("tokenize", ["Paris"], model="reranker", query="capital")
    assert len(tokens.ids) == len(tokens.tokens) > 2
    (ends,) = call("tokenize", ["Paris in June"], model="reranker", ends_only=True)
    assert (ends.ids, ends.tokens, ends.ends[-1]) == ((), (), len("Paris in June"))
    assert description == call("describe")
