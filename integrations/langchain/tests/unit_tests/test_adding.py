"""Texts on their way into a collection."""

import pickle
import uuid

import pytest

from langchain_shortlist.adding import Adding, RefusedDocuments
from shortlist.client import Document, IngestResult, InvalidRequest


def test_texts_without_an_id_get_one():
    """A random one each, where no id is given, or None for this text."""
    adding = Adding(iter(["a", "b", "c"]), None, ["1", None, "3"])
    assert adding.ids[::2] == ["1", "3"]
    assert uuid.UUID(adding.ids[1]).version == 4
    assert [one.id for one in adding.documents()] == adding.ids
    assert len(set(Adding(["a"] * 100, None, None).ids)) == 100


def test_of_one_id_the_last_text_is_sent():
    """As if each had replaced the one before; all ids are returned."""
    adding = Adding(["a", "b", "c"], [{"n": 1}, {"n": 2}, {"n": 3}], ["1", "2", "1"])
    assert list(adding.documents()) == [Document("2", "b", metadata={"n": 2}), Document("1", "c", metadata={"n": 3})]
    assert adding.ids == ["1", "2", "1"]


def test_a_title_is_one_of_the_metadata():
    """Where it is named; a document without it has none, and what is no text is left to the client to refuse."""
    metadatas = [{"section": "Cities", "n": 1}, {"n": 2}, {"section": None}, {"section": 7}]
    titles = [one.title for one in Adding(list("abcd"), metadatas, None, "section").documents()]
    assert titles == ["Cities", "", "", 7]
    assert [one.title for one in Adding(list("abcd"), metadatas, None).documents()] == [""] * 4
    assert [one.metadata for one in Adding(list("abcd"), metadatas, None, "section").documents()] == metadatas


@pytest.mark.parametrize(
    ("metadatas", "ids", "named"), [([{}], None, "metadatas: got 1"), (None, ["1", "2", "3"], "ids: got 3")]
)
def test_lists_of_another_length_are_refused(metadatas: list[dict[str, object]], ids: list[str], named: str):
    """No text gets the metadata or the id of another one."""
    with pytest.raises(ValueError, match=f"{named}, but there are 2 texts"):
        Adding(["a", "b"], metadatas, ids)


def test_refusals_name_the_documents_and_what_became_of_the_others():
    """The first few with their reasons, all of them as an attribute."""
    adding = Adding(["text"] * 9, None, [str(number) for number in range(9)])
    for place, one in enumerate(adding.documents()):
        error = InvalidRequest(f"fault {place}") if place % 2 else None
        adding.take(IngestResult(place, one, "refused" if error else "inserted", error=error))
    with pytest.raises(RefusedDocuments, match="4 of 9 documents were refused") as raised:
        adding.check()
    assert "'1': fault 1; '3': fault 3; '5': fault 5; and 1 more" in str(raised.value)
    assert list(raised.value.refused) == ["1", "3", "5", "7"]
    assert raised.value.stored == ["0", "2", "4", "6", "8"]
    loaded = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 (our own)
    assert (str(loaded), loaded.stored) == (str(raised.value), raised.value.stored)


def test_nothing_is_raised_where_nothing_was_refused():
    """All ids are stored."""
    adding = Adding(["a"], None, None)
    (document,) = adding.documents()
    adding.take(IngestResult(0, document, "inserted"))
    adding.check()
