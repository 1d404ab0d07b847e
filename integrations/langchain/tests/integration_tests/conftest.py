"""A running server, which SHORTLIST_ADDRESS names, and collections on it."""

import contextlib
import os
import socket
from collections.abc import Iterator
from itertools import count

import pytest

from shortlist.client import Client, NotFound

_numbers = count()


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
    """Return a client of the server."""
    with Client(address, timeout_s=100) as opened:
        yield opened


@pytest.fixture
def name(client: Client) -> Iterator[str]:
    """Return the name of a collection that nobody has; it is dropped at the end."""
    found = f"langchain-{os.getpid()}-{next(_numbers)}"
    yield found
    with contextlib.suppress(NotFound):
        client.drop_collection(found)


@pytest.fixture
def collection(client: Client, name: str) -> str:
    """Return the name of an empty collection."""
    return client.create_collection(name).name


@pytest.fixture
def silent() -> Iterator[str]:
    """Return an address where calls are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        yield f"{host}:{port}"
