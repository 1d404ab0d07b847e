"""Late interaction over gRPC on a real server with all three models: modes, what hits carry, what is refused."""

from collections.abc import Iterator

import numpy as np
import pytest

import late_goldens
from shortlist.bench import local
from shortlist.client import Client, Document, InvalidRequest

GOLDEN = late_goldens.HERE / "stanford-bert"
TEXTS = {str(place): text for place, text in enumerate(late_goldens.DOCUMENTS) if text}
QUESTION = late_goldens.QUERIES[0]
TOLERANCE = 0.05  # of int8, over 12 vectors


@pytest.fixture(scope="module")
def client(tiny, make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Run a server with a model that Stanford's ColBERT saved, and return a client of it."""
    folder = tmp_path_factory.mktemp("late")
    late = make.export(GOLDEN, folder / "bundle", variants=()).path
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--late-interaction", str(late))
    budget = ("--auto-budget-ms", "1e6")  # on a busy machine a search would read less
    with (
        local.serving(*models, *budget, "--data", str(folder / "data"), "--log-level", "warning") as address,
        Client(address, timeout_s=100) as opened,
    ):
        yield opened


@pytest.fixture
def collection(client: Client, name: str) -> str:
    """Make a collection of the texts that ColBERT read."""
    client.create_collection(name)
    client.upsert(name, [Document(one, text) for one, text in TEXTS.items()])
    return name


def test_hits_carry_the_maxsim_of_the_model_s_own_library(client: Client, collection: str):
    """What comes over the wire is what ColBERT itself made of the same texts, and it says how it came."""
    found = client.search(collection, QUESTION, mode="late-interaction")
    theirs = np.load(GOLDEN / "vectors.npz")["maxsim"][0]
    assert {hit.id: hit.maxsim for hit in found.hits} == pytest.approx(
        {one: float(theirs[int(one)]) for one in TEXTS}, abs=TOLERANCE
    )
    assert [hit.maxsim_rank for hit in found.hits] == list(range(1, len(TEXTS) + 1))
    assert {hit.score for hit in found.hits} == {hit.relevance for hit in found.hits} == {None}
    assert (found.mode, found.maxsim_scored, found.reranked) == ("late-interaction", len(TEXTS), 0)
    assert found.query_vectors == late_goldens.QUERY_TOKENS
    assert found.timing.maxsim_ms > 0


def test_auto_is_the_cascade(client: Client, collection: str):
    """Where all is there, auto orders by MaxSim and reads the best, as the cascade does that is asked for by name."""
    found = client.search(collection, QUESTION, 2, margin=0.0)
    assert (found.mode, found.maxsim_scored, found.reranked) == ("cascade", len(TEXTS), 2)
    assert {hit.maxsim_rank for hit in found.hits} == {1, 2}
    named = client.search(collection, QUESTION, 2, mode="cascade", rerank_candidates=2)
    assert named.hits == found.hits
    assert client.search(collection, QUESTION, 2, mode="two-stage").maxsim_scored == 0


def test_a_collection_without_token_vectors(client: Client, name: str):
    """It is searched in two stages, and refused by name where a mode wants more."""
    client.create_collection(name, token_pooling="no-vectors")
    client.upsert(name, [Document(one, text) for one, text in TEXTS.items()])
    assert client.search(name, QUESTION, 2, margin=0.0).mode == "two-stage"
    with pytest.raises(
        InvalidRequest, match=rf"mode: got 'MODE_CASCADE', but collection {name} has no token vectors"
    ):
        client.search(name, QUESTION, mode="cascade")
