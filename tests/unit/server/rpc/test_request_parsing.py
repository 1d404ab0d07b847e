"""Requests that are too large or do not parse: size and limit, or the field that is at fault, are named."""

import pytest
from google.protobuf.message import Message

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.rpc.request_parsing import Malformed, parser


def broken(message: object, good: bytes, bad: bytes) -> bytes:
    """Serialize a message and put bytes that are not UTF-8 in place of a text."""
    data = message.SerializeToString()  # type: ignore[attr-defined]
    assert data.count(good) == 1
    return data.replace(good, bad)


def test_a_good_request_parses():
    """A sound message comes back as itself."""
    request = pb.SearchRequest(collection="c", query="héllo")
    assert parser(pb.SearchRequest, 1 << 20)(request.SerializeToString()) == request


@pytest.mark.parametrize(
    ("request_", "good", "field"),
    [
        (pb.SearchRequest(collection="c", query="QQQQ"), b"QQQQ", "query"),
        (pb.EmbedRequest(texts=["fine", "QQQQ"]), b"QQQQ", "texts[1]"),
        (
            pb.UpsertRequest(documents=[pb.Document(id="a", text="b"), pb.Document(id="c", text="QQQQ")]),
            b"QQQQ",
            "documents[1].text",
        ),
    ],
)
def test_text_that_is_not_utf8(request_: object, good: bytes, field: str):
    """Invalid UTF-8 is refused with the path of its field, however deep."""
    parsed = parser(type(request_), 1 << 20)(broken(request_, good, b"Q\xff\xfeQ"))  # type: ignore[arg-type]
    assert isinstance(parsed, Malformed)
    assert str(parsed.reason).startswith(f"{field}: got b'Q\\xff\\xfeQ', but text must be valid UTF-8; decode")


def test_a_key_of_metadata_that_is_not_utf8():
    """Invalid UTF-8 is found inside metadata too."""
    document = pb.Document(id="a", text="b")
    document.metadata.update({"QQQQ": 1})
    parsed = parser(pb.UpsertRequest, 1 << 20)(broken(pb.UpsertRequest(documents=[document]), b"QQQQ", b"QQ\xffQ"))
    assert isinstance(parsed, Malformed)
    assert "documents[0].metadata.fields[0].key" in str(parsed.reason)


def nested(levels: int, inside: bytes) -> bytes:
    """Return an upsert whose metadata nests so deep, written by hand: protobuf would refuse to."""

    def field(number: int, data: bytes) -> bytes:
        size, length = b"", len(data)
        while length > 127:
            size, length = size + bytes([length % 128 | 128]), length // 128
        return bytes([number << 3 | 2]) + size + bytes([length]) + data

    value = field(3, inside)  # Value.string_value
    for _ in range(levels):
        entry = field(1, b"k") + field(2, value)  # Struct.fields
        value = field(5, field(1, entry))  # Value.struct_value
    return field(2, field(1, b"a") + field(2, b"b") + field(4, field(1, field(1, b"k") + field(2, value))))


@pytest.mark.parametrize("levels", [40, 330, 5000])
def test_metadata_that_nests_without_end(levels: int):
    """Metadata too deep to parse is refused as that, in bounded time and stack, however deep it is."""
    parsed = parser(pb.UpsertRequest, 1 << 20)(nested(levels, b"\xff" * 100))
    assert isinstance(parsed, Malformed)
    assert "metadata nested 32 levels deep at most, and a filter 16; flatten what nests" in str(parsed.reason)


def test_the_nesting_above_is_real():
    """What the test above builds is an upsert, as far as protobuf goes."""
    request = pb.UpsertRequest.FromString(nested(3, b"deep"))
    assert request.documents[0].metadata["k"]["k"]["k"]["k"] == "deep"


def test_bytes_that_are_no_message():
    """Bytes that are no protobuf at all are refused as the message they should have been."""
    parsed = parser(pb.SearchRequest, 1 << 20)(b"\xff\xff\xff")
    assert isinstance(parsed, Malformed)
    assert "shortlist.v1.SearchRequest" in str(parsed.reason)


def test_a_request_that_is_too_large():
    """A request over the limit is refused by its size and not parsed; one at the limit is served."""
    data = pb.SearchRequest(query="x" * 100).SerializeToString()
    assert parser(pb.SearchRequest, len(data))(data) == pb.SearchRequest(query="x" * 100)
    parsed = parser(pb.SearchRequest, len(data) - 1)(data)
    assert isinstance(parsed, Malformed)
    assert str(parsed.reason).startswith(
        "bytes of the request: got 102, but the most is 101 (the server's max_request"
    )


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.SearchRequest(mode=77), "mode"),
        (pb.EmbedRequest(texts=["a"], kind=77), "kind"),
        (pb.TokenizeRequest(texts=["a"], model=77), "model"),
    ],
)
def test_a_number_that_no_enum_has(request_: Message, field: str):
    """A number of a later version's enum is refused by field and value, with those that there are."""
    parsed = parser(type(request_), 1 << 20)(request_.SerializeToString())
    assert isinstance(parsed, Malformed)
    assert str(parsed.reason).startswith(f"{parsed.reason.field}: got 77, but the enum has 0, 1, 2")
    assert parsed.reason.field == field
