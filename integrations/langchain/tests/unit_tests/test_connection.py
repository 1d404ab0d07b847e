"""Which server is called, and what is configured about it; nothing is sent."""

import pickle
import subprocess
import sys

import pytest
from pydantic import BaseModel, ValidationError

from langchain_shortlist import ShortlistEmbeddings, ShortlistRerank, ShortlistRetriever, ShortlistVectorStore
from shortlist.client import Clients, Unavailable

NOBODY = "127.0.0.1:1"
OTHER = "127.0.0.1:2"
MODELS = (ShortlistEmbeddings, ShortlistRerank, ShortlistRetriever)
IN = {ShortlistRetriever: {"collection": "notes"}, ShortlistVectorStore: {"collection": "notes"}}


@pytest.fixture(params=[*MODELS, ShortlistVectorStore])
def make(request: pytest.FixtureRequest):
    """Return what makes one of each class."""
    return lambda **given: request.param(**IN.get(request.param, {}), **given)


def test_clients_that_were_passed_in_are_those_that_are_used(make):
    """They say the address, and an object that gets them from another shares its connections."""
    clients = Clients(NOBODY, timeout_s=7)
    first = make(clients=clients)
    assert first.clients is clients
    assert make(clients=first.clients).clients.blocking() is clients.blocking()
    assert clients.blocking().address == NOBODY


def test_the_environment_names_the_server(make, monkeypatch: pytest.MonkeyPatch):
    """SHORTLIST_ADDRESS counts where nothing else is named, and 127.0.0.1:50051 where it is not set."""
    monkeypatch.setenv("SHORTLIST_ADDRESS", OTHER)
    assert make().clients.address == OTHER
    assert make(address=NOBODY).clients.address == NOBODY
    assert make(clients=Clients(NOBODY)).clients.address == NOBODY
    monkeypatch.delenv("SHORTLIST_ADDRESS")
    assert make().clients.address == "127.0.0.1:50051"


def test_two_servers_are_refused(make):
    """An address beside the clients of another server is a mistake that is named."""
    with pytest.raises(ValueError, match=f"address: got '{OTHER}', but the clients call {NOBODY}"):
        make(clients=Clients(NOBODY), address=OTHER)
    assert make(clients=Clients(NOBODY), address=NOBODY).clients.address == NOBODY


def test_an_address_that_no_server_has_is_refused_at_once(make):
    """The client's own words say which form is right."""
    with pytest.raises(ValueError, match="write localhost:50051"):
        make(address="http://localhost")


def test_all_are_pickled_without_their_connections(make):
    """What comes out calls the same server by connections of its own."""
    one = make(clients=Clients(NOBODY, timeout_s=7), timeout_s=5)
    connection = one.clients.blocking()
    loaded = pickle.loads(pickle.dumps(one))  # noqa: S301 (our own)
    assert (loaded.clients.address, loaded.clients.timeout_s, loaded.timeout_s) == (NOBODY, 7, 5)
    assert loaded.clients.blocking() is not connection


@pytest.mark.parametrize("kind", MODELS)
def test_unknown_fields_are_refused(kind: type[BaseModel]):
    """A setting that is misspelt is not passed over."""
    with pytest.raises(ValidationError, match="adress"):
        kind(adress=NOBODY, **IN.get(kind, {}))


@pytest.mark.parametrize("timeout_s", [0, -1])
@pytest.mark.parametrize("kind", MODELS)
def test_a_deadline_that_has_passed_is_refused(kind: type[BaseModel], timeout_s: float):
    """Each call would end at once."""
    with pytest.raises(ValidationError, match="greater than 0"):
        kind(timeout_s=timeout_s, **IN.get(kind, {}))


def test_a_store_takes_the_server_of_its_embeddings():
    """It need not be named twice, and may not be another one."""
    embeddings = ShortlistEmbeddings(address=OTHER)
    store = ShortlistVectorStore("notes", embeddings)
    assert store.clients is embeddings.clients
    assert store.embeddings is embeddings
    for other in ({"address": NOBODY}, {"clients": Clients(NOBODY)}):
        with pytest.raises(ValueError, match=f"but the clients call {OTHER}|but the clients call {NOBODY}"):
            ShortlistVectorStore("notes", embeddings, **other)


def test_a_store_has_embeddings_of_its_server():
    """They share its connections."""
    store = ShortlistVectorStore("notes", address=NOBODY, timeout_s=5)
    assert isinstance(store.embeddings, ShortlistEmbeddings)
    assert (store.embeddings.clients, store.embeddings.timeout_s) == (store.clients, 5)


@pytest.mark.timeout(15)
async def test_adding_to_nobody_fails_soon():
    """Long before the 30 s that an ingest waits for a server that restarts, and with where nobody is."""
    store = ShortlistVectorStore("notes", address=NOBODY)
    with pytest.raises(Unavailable, match=f"^nothing answers at {NOBODY}"):
        store.add_texts(["text"])
    with pytest.raises(Unavailable, match=f"^nothing answers at {NOBODY}"):
        await store.aadd_texts(["text"])


def test_of_shortlist_it_needs_the_client_alone():
    """Neither the server's code nor what only that needs is imported."""
    code = "import sys, langchain_shortlist; print(*(name for name in sys.modules if name.startswith('shortlist.')))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {name.split(".")[1] for name in shown.split()} == {"client", "proto"}
