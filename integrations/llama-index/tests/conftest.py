"""A server to test against, which is named by SHORTLIST_ADDRESS, and collections of its."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from llama_index.vector_stores.shortlist import ShortlistVectorStore
from shortlist.client import Client


@pytest.fixture(scope="session")
def address() -> str:
    """Return the server's address."""
    found = os.environ.get("SHORTLIST_ADDRESS")
    if not found:
        pytest.fail(
            "no server: run `make test-integrations`, or set SHORTLIST_ADDRESS to one that holds nothing of value"
        )
    return found


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[Client]:
    """Return a client that looks at what the components do."""
    with Client(address) as opened:
        yield opened


@pytest.fixture
def collection(client: Client) -> Iterator[str]:
    """Return the name of a collection that is not there, and drop what is made of it."""
    name = f"llama-index-{uuid4().hex}"
    yield name
    client.create_collection(name, exist_ok=True)
    client.drop_collection(name)


@pytest.fixture
def store(collection: str) -> ShortlistVectorStore:
    """Return an empty store."""
    return ShortlistVectorStore(collection=collection)
