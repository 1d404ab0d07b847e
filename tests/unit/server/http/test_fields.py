"""Fields as clients really send them: what is taken, and what is refused by name."""

import pytest

from shortlist.server.errors import InvalidRequest
from shortlist.server.http import fields


@pytest.mark.parametrize("value", [True, "true", "True", 1, "1"])
def test_true(value):
    """A word and a number stand for a boolean, as RAGFlow's Xinference driver sends it."""
    assert fields.flag({"on": value}, "on") is True


@pytest.mark.parametrize("value", [False, "false", "FALSE", 0, "0"])
def test_false(value):
    """The same for what is not asked for, whatever the default."""
    assert fields.flag({"on": value}, "on", default=True) is False


@pytest.mark.parametrize("body", [{}, {"field": None}])
def test_null_is_the_same_as_absent(body):
    """A null, which Cohere's SDK sends for each argument of None, leaves the default."""
    assert fields.flag(body, "field", default=True) is True
    assert fields.number(body, "field") is None
    assert fields.text(body, "field") == ""
    assert fields.texts(body, "field") == []
    assert fields.choice(body, "field", {"a": 1}, 2) == 2


@pytest.mark.parametrize(("value", "expected"), [(3, 3), (3.0, 3), ("3", 3), (-1, -1)])
def test_numbers(value, expected):
    """A whole number may come as a float or a string."""
    assert fields.number({"top_n": value}, "top_n") == expected


@pytest.mark.parametrize("value", [True, 1.5, "many", [1], {"a": 1}, "", float("inf")])
def test_no_numbers(value):
    """Anything else is refused by name, a boolean too."""
    with pytest.raises(InvalidRequest, match=r"^top_n: got .* whole number"):
        fields.number({"top_n": value}, "top_n")


@pytest.mark.parametrize("value", ["yes", 2, [], {}])
def test_no_booleans(value):
    """What is neither true nor false is refused, with the words that are taken."""
    with pytest.raises(InvalidRequest, match=r"^on: got .* true, 1, false, 0"):
        fields.flag({"on": value}, "on")


def test_texts():
    """Texts come alone, in lists, and as objects that hold one; the place of what is none is named."""
    assert fields.texts({"texts": "one"}, "texts") == ["one"]
    assert fields.texts({"texts": ["one", {"text": "two", "more": 1}]}, "texts") == ["one", "two"]
    assert fields.text({"query": {"text": "what?"}}, "query") == "what?"
    for wrong in (5, None, ["one"], {"image": "one"}):
        with pytest.raises(InvalidRequest, match=r"^texts\[1\]: got"):
            fields.texts({"texts": ["one", wrong]}, "texts")
    for wrong in (5, {"text": "one"}, True):
        with pytest.raises(InvalidRequest, match=r"^texts: got .* list of texts"):
            fields.texts({"texts": wrong}, "texts")


@pytest.mark.parametrize("value", [None, [], "text", 5, True])
def test_a_body_is_an_object(value):
    """Other JSON is refused."""
    with pytest.raises(InvalidRequest, match=r"^body: got .* JSON object"):
        fields.body(value)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, None),
        ({"truncation": True}, None),  # Voyage
        ({"truncation": False}, "none"),
        ({"truncation": None}, None),
        ({"truncate": True}, None),  # TEI
        ({"truncate": True, "truncation_direction": "Left"}, "start"),
        ({"truncate": False}, "none"),
        ({"truncate": "NONE"}, "none"),  # Cohere, NVIDIA
        ({"truncate": "START"}, "start"),
        ({"truncate": "END"}, "end"),
        ({"truncation_side": "left"}, "start"),  # vLLM
        ({"truncation_side": "right"}, "end"),
    ],
)
def test_truncation(body, expected):
    """Each API's word for where a text is cut means the same here."""
    assert fields.truncation(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "document"),
        ({"input_type": None}, "document"),
        ({"input_type": "query"}, "query"),  # Voyage
        ({"input_type": "document"}, "document"),
        ({"input_type": "search_query"}, "query"),  # Cohere
        ({"input_type": "search_document"}, "document"),
        ({"input_type": "passage"}, "document"),  # NVIDIA
        ({"prompt_name": "query"}, "query"),  # Sentence Transformers, TEI
        ({"task": "retrieval.query"}, "query"),  # Jina
        ({"task": "retrieval.passage"}, "document"),
    ],
)
def test_kind(body, expected):
    """Each API's way to say what a text is means the same here; texts are documents otherwise."""
    assert fields.kind(body) == expected
