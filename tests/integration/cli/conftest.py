"""A scripted server that takes documents, and documents for it."""

import json

import pytest

from fake_server import Taking
from shortlist.proto import retrieval_pb2 as pb


@pytest.fixture
def target(scripted):
    """Let the server take documents as a real one does; return where to index."""
    limits = pb.Limits(max_text_bytes=1 << 20, max_batch=1000, max_request_bytes=64 << 20)
    scripted.defaults["Describe"] = pb.DescribeResponse(limits=limits)
    scripted.defaults["Ingest"] = Taking()
    return "--collection", "notes", "--address", scripted.address


@pytest.fixture
def taking(scripted, target):
    """Return what takes the documents."""
    return scripted.defaults["Ingest"]


@pytest.fixture
def corpus(tmp_path):
    """Write a file of so many documents, and return its path."""

    def write(count, *more):
        path = tmp_path / "corpus.jsonl"
        lines = [json.dumps({"id": str(number), "text": f"text {number}"}) for number in range(count)]
        path.write_text("\n".join([*lines, *more]))
        return str(path)

    return write
