"""Requests that do not parse: the field that is at fault is named."""

import pytest

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.wire import Malformed, parser


def broken(message: object, good: bytes, bad: bytes) -> bytes:
    """Serialize a message and put bytes that are not UTF-8 in place of a text."""
    data = message.SerializeToString()  # type: ignore[attr-defined]
    assert data.count(good) == 1
    return data.replace(good, bad)


def test_a_good_request_parses():
    """A sound message comes back as itself."""
    request = pb.SearchRequest(collection="c", query="héllo")
    assert parser(pb.SearchRequest)(request.SerializeToString()) == request


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
    parsed = parser(type(request_))(broken(request_, good, b"Q\xff\xfeQ"))  # type: ignore[arg-type]
    assert isinstance(parsed, Malformed)
    assert str(parsed.reason).startswith(f"{field}: got b'Q\\xff\\xfeQ', but text must be valid UTF-8; decode")


def test_a_key_of_metadata_that_is_not_utf8():
    """Invalid UTF-8 is found inside metadata too."""
    document = pb.Document(id="a", text="b")
    document.metadata.update({"QQQQ": 1})
    parsed = parser(pb.UpsertRequest)(broken(pb.UpsertRequest(documents=[document]), b"QQQQ", b"QQ\xffQ"))
    assert isinstance(parsed, Malformed)
    assert "documents[0].metadata.fields[0].key" in str(parsed.reason)


def test_bytes_that_are_no_message():
    """Bytes that are no protobuf at all are refused as the message they should have been."""
    parsed = parser(pb.SearchRequest)(b"\xff\xff\xff")
    assert isinstance(parsed, Malformed)
    assert "shortlist.v1.SearchRequest" in str(parsed.reason)
