"""Filters over gRPC on a real server: Search, List, Count and Delete, from Python's forms to what comes back."""

from datetime import date

import pytest

from shortlist.client import AsyncClient, Client, Document, InvalidRequest, field

DOCUMENTS = [
    Document(
        "fox", "the quick brown fox jumps", metadata={"year": 2019, "tags": ["animal", "fast"], "when": "2019-03-01"}
    ),
    Document("tea", "boil the water and pour it", metadata={"year": 2020, "tags": ["drink"], "by": {"name": "Ada"}}),
    Document(
        "sea",
        "the tide follows the moon",
        metadata={"year": 2021.5, "tags": ["water"], "when": "2021-01-01T10:00:00Z"},
    ),
    Document("law", "a contract binds the parties", metadata={"draft": True}),
]
RECENT = {"year": {"gte": 2020}}


@pytest.fixture
def collection(client: Client, name: str) -> str:
    """Make a collection with the documents."""
    client.create_collection(name)
    client.upsert(name, DOCUMENTS)
    return name


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (RECENT, {"tea", "sea"}),
        ({"tags": "water"}, {"sea"}),
        ({"tags": {"in": ["drink", "fast"]}}, {"fox", "tea"}),
        (field("by.name") == "Ada", {"tea"}),
        (field("when") < date(2020, 1, 1), {"fox"}),
        (~field("year").exists(), {"law"}),
        ((field("draft") == True) | (field("year") < 2020), {"fox", "law"}),  # noqa: E712 (a filter)
        ({"year": 1900}, set()),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "two-stage", "dense", "rerank-all"])
def test_every_call_means_the_same(client: Client, collection: str, where, expected: set[str], mode):
    """Search in each mode, List and Count take the same filter, and find the same documents."""
    found = client.search(collection, "water", where=where, mode=mode)
    assert {hit.id for hit in found.hits} == expected
    assert (found.matched, found.filter_plan, found.candidates) == (len(expected), "exact", len(expected))
    assert {document.id for document in client.list(collection, where=where, page_size=1)} == expected
    assert client.count(collection, where=where) == len(expected)


def test_without_a_filter(client: Client, collection: str):
    """A search without a filter tells of none, and Count counts all."""
    found = client.search(collection, "water")
    assert (found.matched, found.filter_plan) == (None, None)
    assert client.count(collection) == 4


def test_metadata_that_is_set_later(client: Client, collection: str):
    """Filters find documents by the metadata of now, set alone or with a text that is there already."""
    client.update_metadata(collection, {"fox": {"year": 2022}, "tea": {}})
    client.upsert(collection, [Document("sea", "the tide follows the moon", metadata={"draft": False})])
    assert {hit.id for hit in client.search(collection, "water", where=RECENT).hits} == {"fox"}
    assert client.count(collection, where={"tags": {"in": ["drink", "water"]}}) == 0
    assert [document.id for document in client.list(collection, where={"draft": False})] == ["sea"]


def test_delete(client: Client, collection: str):
    """All that match are deleted and counted; ids beside a filter, and neither of both, are refused."""
    with pytest.raises(InvalidRequest, match=r"^ids: got .*with a filter there are none; send ids, or where"):
        client.delete(collection, ["fox"], where=RECENT)
    with pytest.raises(InvalidRequest, match=r"^ids: got \[\], but at least one is needed"):
        client.delete(collection)
    assert client.delete(collection, where=RECENT) == 2
    assert {document.id for document in client.list(collection)} == {"fox", "law"}
    assert client.delete(collection, where=RECENT) == 0


def test_a_field_that_is_nowhere(client: Client, collection: str):
    """It is refused by its name on every call, with the fields that there are."""
    where = {"year": 2020, "yaer": {"gte": 2020}}
    for call in (
        lambda: client.search(collection, "water", where=where),
        lambda: client.count(collection, where=where),
        lambda: client.delete(collection, where=where),
        lambda: list(client.list(collection, where=where)),
    ):
        with pytest.raises(
            InvalidRequest, match=r"has such a field \(there are: 'by.name', 'draft', 'tags'"
        ) as caught:
            call()
        assert caught.value.field == "where.all_of.filters[1].condition.path"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (field("yaer", lenient=True) == 2020, set()),
        (field("yaer", lenient=True) != 2020, {"fox", "tea", "sea", "law"}),
        (field("yaer", lenient=True) >= 2020, set()),
        (~field("yaer", lenient=True).exists(), {"fox", "tea", "sea", "law"}),
        ({"yaer": {"exists": False, "lenient": True}, "year": 2019}, {"fox"}),
        (field("year", lenient=True) == "2020", set()),
        (field("year", lenient=True).is_in([date(2020, 1, 1)]), set()),
        (field("by", lenient=True) == "Ada", set()),
        (field("year", lenient=True) == 2020, {"tea"}),
    ],
)
def test_a_lenient_condition(client: Client, collection: str, where, expected: set[str]):
    """No document meets a lenient condition whose field is nowhere, or nowhere of the type; all meet its opposite."""
    assert {hit.id for hit in client.search(collection, "water", where=where).hits} == expected
    assert {document.id for document in client.list(collection, where=where)} == expected
    assert client.count(collection, where=where) == len(expected)
    assert client.delete(collection, where=where) == len(expected)


def test_an_order_between_types_is_refused(client: Client, collection: str):
    """A lenient range of another type than the field's is refused as any other: there is no order to go by."""
    with pytest.raises(InvalidRequest, match=r"gte: got 'x', but it is text, and field 'year' holds a number"):
        client.count(collection, where=field("year", lenient=True) >= "x")


async def test_the_async_client(server, collection: str):
    """AsyncClient takes the same filters."""
    async with AsyncClient(server.address) as client:
        found = await client.search(collection, "water", where=RECENT)
        assert {hit.id for hit in found.hits} == {"tea", "sea"}
        assert [one.id async for one in client.list(collection, where=RECENT)] == ["tea", "sea"]
        assert await client.count(collection, where=RECENT) == 2
        assert await client.delete(collection, where=RECENT) == 2
