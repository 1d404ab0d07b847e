"""Every rule on documents, and its refusal: field, value, limit and remedy."""

import json
import math
import re

import numpy as np
import pytest

from shortlist.server.errors import InvalidRequest
from shortlist.server.search import document_checks
from shortlist.server.search.limits import (
    MAX_ID_BYTES,
    MAX_METADATA_BYTES,
    MAX_METADATA_LEVELS,
    MAX_TITLE_BYTES,
    Limits,
)
from shortlist.server.settings import Settings
from shortlist.server.storage.document import Document, canonical

LIMITS = Limits.of(Settings(max_top_k=20, max_candidates=100, max_batch=3, max_text_bytes=50))


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], r"documents: got \[\]"),
        ([Document("a", "x")] * 4, r"documents: got 4"),
        ([Document("", "x")], r"documents\[0\]\.id: got ''"),
        ([Document("a\0b", "x")], r"documents\[0\]\.id: .*NUL"),
        ([Document("a", "x"), Document("a", "y")], r"documents\[1\]\.id: got 'a', but documents\[0\] has the same"),
        ([Document("a", "x"), Document("b", "")], r"documents\[1\]\.text: got ''"),
        ([Document("a", "x" * 51)], r"documents\[0\]\.text: .*\(51 bytes\).*limit is 50 bytes"),
        ([Document("a", "x", title="t" * (MAX_TITLE_BYTES + 1))], r"documents\[0\]\.title: .*\(4097 bytes\)"),
        ([Document("a", "x", metadata="m" * (MAX_METADATA_BYTES + 1))], r"documents\[0\]\.metadata: .*65536 bytes"),
    ],
)
def test_documents_refused(documents: list[Document], message: str):
    """A document outside its limits is refused by its place in the request."""
    with pytest.raises(InvalidRequest, match=message):
        document_checks.upsert(LIMITS, documents)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            {"a": {"b": [1.0, float("nan")]}},
            "documents[0].metadata['a']['b'][1]: got nan, but JSON has finite numbers",
        ),
        ({"a": float("-inf")}, "documents[0].metadata['a']: got -inf, but JSON has finite numbers only; leave"),
        ({"NaN": "Infinity", "b": float("inf")}, "documents[0].metadata['b']: got inf"),
    ],
)
def test_numbers_that_json_does_not_have(metadata: dict, message: str):
    """A number in metadata that is not finite is refused by its path; a string of the same letters is none."""
    with pytest.raises(InvalidRequest, match=f"^{re.escape(message)}"):
        document_checks.upsert(LIMITS, [Document("a", "x", metadata=canonical(metadata))])
    document_checks.upsert(LIMITS, [Document("a", "x", metadata=canonical({"NaN": ["Infinity", "-Infinity"]}))])


def nested(levels: int) -> str:
    """Return metadata of so many levels: lists in an object, beside many that lie flat."""
    value: object = []
    for _ in range(levels - 2):
        value = [value]
    return json.dumps({"deep": value, "flat": [{} for _ in range(50)], "braces": "[{" * 50})


def test_how_deep_metadata_nests():
    """Only levels count, not how many objects and lists there are, nor brackets in strings."""
    document_checks.upsert(LIMITS, [Document("a", "x", metadata=nested(MAX_METADATA_LEVELS))])
    with pytest.raises(InvalidRequest, match=r"^documents\[0\]\.metadata: got '33 levels', but it nests 32 levels"):
        document_checks.upsert(LIMITS, [Document("a", "x", metadata=nested(MAX_METADATA_LEVELS + 1))])


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([0.0], r"documents\[1\]\.vector: got '1 numbers', but those of this server's embedder have 2; make it by"),
        ([0.0] * 3, r"documents\[1\]\.vector: got '3 numbers', but those of this server's embedder have 2; make"),
        ([0.0, math.nan], r"documents\[1\]\.vector\[1\]: got nan, but it must be finite; make the vector again"),
        ([-math.inf, 0.0], r"documents\[1\]\.vector\[0\]: got -inf, but it must be finite; make the vector again"),
    ],
)
def test_vectors_refused(vector: list[float], message: str):
    """A vector of another dimension, and one that is not finite, is refused by its document's place."""
    document_checks.vector(np.array([1.0, 2.0], np.float32), 2)
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        document_checks.vector(np.array(vector, np.float32), 2, "documents[1].")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], r"documents: got \[\]"),
        ([("a", "")] * 4, "documents: got 4"),
        ([("a", ""), ("a", "")], r"documents\[1\]\.id: got 'a', but documents\[0\] has the same"),
        ([("a", '{"n":NaN}')], r"documents\[0\]\.metadata\['n'\]: got nan"),
    ],
)
def test_metadata_refused(given: list[tuple[str, str]], message: str):
    """Metadata to set is held to the rules of documents."""
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        document_checks.metadata(LIMITS, given)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", r"ids\[0\]: got '', but an id must not be empty"),
        ("x" * (MAX_ID_BYTES + 1), r"ids\[0\]: .*\(513 bytes\).*limit is 512 bytes"),
    ],
)
def test_ids_refused(value: str, message: str):
    """An id that no document can have is refused by its place."""
    with pytest.raises(InvalidRequest, match=message):
        document_checks.ids(LIMITS, [value])


def test_a_document_by_itself():
    """A document of a stream is refused by the names of its fields alone."""
    with pytest.raises(InvalidRequest, match=r"^text: got ' '"):
        document_checks.document(LIMITS, Document("a", " "))
    with pytest.raises(InvalidRequest, match=r"^vector\[1\]: got inf"):
        document_checks.vector(np.array([0.0, math.inf], np.float32), 2)


def test_the_limits_themselves_are_allowed():
    """Each limit is the largest value that passes."""
    document_checks.ids(LIMITS, ["x" * MAX_ID_BYTES] * 3)
    document_checks.upsert(
        LIMITS, [Document("a", "x" * 50, title="t" * MAX_TITLE_BYTES, metadata="m" * MAX_METADATA_BYTES)]
    )
