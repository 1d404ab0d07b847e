"""Metadata to a Struct and back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.client.errors import InvalidRequest
from shortlist.client.metadata import from_struct, to_struct
from shortlist.proto import retrieval_pb2 as pb

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
_KEYS = st.text(st.characters(exclude_categories=["Cs"]))
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=20)


def nested(levels):
    """Return an object in an object in an object..., `levels` of them."""
    value = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@given(st.dictionaries(_KEYS, _JSON))
def test_what_goes_in_comes_out(metadata):
    """Any JSON object that a Struct holds exactly is given back equal, over the wire too."""
    message = pb.Document(metadata=to_struct(metadata, "metadata"))
    assert metadata == from_struct(pb.Document.FromString(message.SerializeToString()).metadata)


def test_whole_numbers_come_back_as_int():
    """A Struct knows doubles only: whole ones become int, even where a float went in."""
    back = from_struct(to_struct({"a": 1, "b": 2.0, "c": 0.5, "d": 1e300}, "metadata"))
    assert {key: type(value) for key, value in back.items()} == {"a": int, "b": int, "c": float, "d": float}


def test_tuples_come_back_as_lists():
    """A tuple is a JSON array like a list."""
    assert from_struct(to_struct({"a": (1, 2)}, "metadata")) == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"a": math.nan}, "metadata.a: got nan, but numbers must be finite; leave it out or use None"),
        ({"a": [0, -math.inf]}, "metadata.a[1]: got -inf, but numbers must be finite; leave it out or use None"),
        (
            {"a": 2**53 + 1},
            "metadata.a: got 9007199254740993, but whole numbers beyond 2**53 would be rounded; send it as a string",
        ),
        (
            {"a": {"b": b"x"}},
            "metadata.a.b: got b'x', but bytes is not a JSON value; convert it to one, such as a string",
        ),
        ({"a": {1}}, "metadata.a: got {1}, but set is not a JSON value; convert it to one, such as a string"),
        ({1: "a"}, "metadata key: got 1, but keys must be strings; convert it with str()"),
        (
            {"a": "x\ud800"},
            (
                "metadata.a: got '\\ud800', but character 1 is half of a surrogate pair;"
                " decode the text again, or drop it"
            ),
        ),
        ([], "metadata: got [], but it must be a JSON object; pass a dict with strings as keys"),
    ],
)
def test_what_a_struct_cannot_hold_is_refused(metadata, message):
    """The error names field, value, limit and remedy."""
    with pytest.raises(InvalidRequest) as caught:
        to_struct(metadata, "metadata")
    assert message == str(caught.value)


def test_depth_is_what_the_wire_takes():
    """Whatever nests as deep as is allowed can be parsed; one more level is refused here."""
    request = pb.UpsertRequest(documents=[pb.Document(metadata=to_struct(nested(32), "metadata"))])
    assert request == pb.UpsertRequest.FromString(request.SerializeToString())
    with pytest.raises(InvalidRequest, match="deeper than 32 levels"):
        to_struct(nested(33), "metadata")


def test_a_cycle_is_refused():
    """An object that holds itself ends in an error, not in a crash."""
    metadata = {}
    metadata["self"] = [metadata]
    with pytest.raises(InvalidRequest, match="deeper than 32 levels"):
        to_struct(metadata, "metadata")
