"""Errors name the fields of the request that they refuse."""

import functools

import pytest

from shortlist.server.errors import InvalidRequest, TooLarge, named, shown


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("texts", "inputs"),
        ("texts[3]", "inputs[3]"),
        ("texts[0]", "sentence"),
        ("texts_kept", "texts_kept"),
        ("dimensions", "dimensions"),
    ],
)
def test_a_face_renames_what_is_refused(ours: str, theirs: str):
    """A field gets the caller's name, in the words too; an index stays, and other fields stay as they are."""
    with pytest.raises(TooLarge) as refused, named({"texts[0]": "sentence", "texts": "inputs"}):
        raise TooLarge(ours, 7, "the most is 5", "send fewer")
    assert refused.value.field == theirs
    assert str(refused.value) == f"{theirs}: got 7, but the most is 5; send fewer"


def test_a_long_name_is_cut():
    """A caller cannot fill an answer with a name of its own."""
    error = InvalidRequest("texts", 7, "the most is 5", "send fewer")
    error.rename("x" * 1000)
    assert len(error.field) < 200


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("word", "'word'"),
        (["a", {"b": 1.5, "c": None}, []], "['a', {'b': 1.5, 'c': None}, []]"),
        ("x" * 1_000_000, "'" + "x" * 59 + "..."),
        ([[]] * 5_000_000, f"[{'[], ' * 14}[],..."),
        (functools.reduce(lambda inner, _: [inner], range(100_000), 1), "[" * 60 + "..."),
        (dict.fromkeys(range(1_000_000)), "{0: None, 1: None, 2: None, 3: None, 4: None, 5: None, 6: No..."),
    ],
    ids=["a text", "a list", "a long text", "many elements", "many levels", "many fields"],
)
def test_what_is_shown_of_a_value(value: object, told: str):
    """A value is shown as Python writes it, up to 60 characters, however much there is of it."""
    assert shown(value) == told
