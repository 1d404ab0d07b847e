"""Errors name the fields of the request that they refuse."""

import pytest

from shortlist.server.errors import InvalidRequest, TooLarge, named


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
