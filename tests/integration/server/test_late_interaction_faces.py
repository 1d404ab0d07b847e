"""A server with all three models: what its clients and faces get of late interaction."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from conftest import Bundles, Server
from shortlist.bench import local
from shortlist.client import AsyncClient, Client, Document, InvalidRequest, TokenVectors
from shortlist.texts import shipped

ENTRIES = shipped.entries()[:12]
TEXTS = [entry.text for entry in ENTRIES]
QUERY = ENTRIES[3].query


@pytest.fixture(scope="module")
def served(make, tiny: Bundles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with the tiny models and a tiny late-interaction model."""
    import late_models  # noqa: PLC0415 (it imports torch)

    folder = tmp_path_factory.mktemp("late")
    make.export(late_models.multi_vector(folder / "colbert"), folder / "bundle", variants=())
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    late = ("--late-interaction", str(folder / "bundle"), "--auto-budget-ms", "100000")
    port = local.free_port()
    options = ("--data", str(folder / "data"), "--http-port", str(port), "--log-level", "warning")
    with local.serving(*models, *late, *options) as address:
        yield Server(address, f"http://127.0.0.1:{port}")


@pytest.fixture
def asking(served: Server) -> Iterator[Client]:
    """Return a client of it."""
    with Client(served.address, timeout_s=100) as opened:
        yield opened


@pytest.fixture
def http(served: Server) -> Iterator[httpx.Client]:
    """Return a client of its HTTP side."""
    with httpx.Client(base_url=served.http, trust_env=False, timeout=100) as opened:
        yield opened


def test_the_model_is_described(asking: Client, http: httpx.Client):
    """Describe and the list of models have it beside the other two, by its name and by what it does."""
    late = asking.describe().late_interaction
    assert late is not None
    assert (late.source, late.dimensions) == ("colbert", 12)
    listed = http.get("/v1/models").json()["data"]
    assert [one["id"] for one in listed][-1] == "colbert"
    assert http.get("/v1/models/late-interaction").json() == http.get("/v1/models/colbert").json() == listed[-1]
    assert listed[-1]["model_type"] == "rerank"


def test_both_clients_rerank_by_it(served: Server, asking: Client):
    """Scores fall, and each is the mean of what MaxSim sums up over the query's token vectors."""

    async def ask():
        async with AsyncClient(served.address, timeout_s=100) as client:
            return await client.rerank(QUERY, TEXTS, model="late-interaction")

    found = asking.rerank(QUERY, TEXTS, model="late-interaction").results
    assert found == asyncio.run(ask()).results
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.logit is None for one in found)
    (vectors,) = {round(one.maxsim / one.score) for one in found}
    assert [one.score * vectors for one in found] == pytest.approx([one.maxsim for one in found], rel=1e-5)
    assert [one.index for one in found] != [one.index for one in asking.rerank(QUERY, TEXTS).results]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank", "/reranker/v1/rerank"])
@pytest.mark.parametrize("name", ["colbert", "late-interaction"])
def test_a_body_that_names_the_model(http: httpx.Client, asking: Client, path, name):
    """It is answered by that model, with gRPC's numbers, and the answer says so."""
    expected = asking.rerank(QUERY, TEXTS, model="late-interaction").results
    answer = http.post(path, json={"query": QUERY, "documents": TEXTS, "model": name}).json()
    assert answer["model"] == "colbert"
    assert [one["index"] for one in answer["results"]] == [one.index for one in expected]
    scores = [one["relevance_score"] for one in answer["results"]]
    assert scores == pytest.approx([one.score for one in expected], rel=1e-6)


def test_sums_take_the_place_of_logits(http: httpx.Client, asking: Client):
    """NVIDIA's rankings and infinity's raw scores are MaxSim."""
    expected = [one.maxsim for one in asking.rerank(QUERY, TEXTS, model="late-interaction").results]
    passages = {"query": {"text": QUERY}, "passages": [{"text": one} for one in TEXTS], "model": "colbert"}
    ranked = http.post("/v1/ranking", json=passages).json()["rankings"]
    assert [one["logit"] for one in ranked] == pytest.approx(expected, rel=1e-6)
    raw = {"query": QUERY, "documents": TEXTS, "model": "colbert", "raw_scores": True}
    results = http.post("/rerank", json=raw).json()["results"]
    assert [one["relevance_score"] for one in results] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["rerank-v3.5", "", None, 3, ["colbert"], {"id": "colbert"}, "Colbert"])
def test_any_other_name_is_the_reranker_s(http: httpx.Client, asking: Client, name):
    """A name that is no model's, or none at all, is taken as before."""
    expected = asking.rerank(QUERY, TEXTS).results
    answer = http.post("/rerank", json={"query": QUERY, "documents": TEXTS, "model": name}).json()
    assert answer["model"] == asking.describe().reranker.source
    assert [one["index"] for one in answer["results"]] == [one.index for one in expected]


@pytest.fixture
def notes(asking: Client, name: str) -> Iterator[str]:
    """Make a collection of the texts with their token vectors, and drop it afterwards."""
    made = asking.create_collection(name, token_pooling="none")
    assert made.token_vectors.pooling == "none"
    asking.upsert(name, [Document(str(place), text) for place, text in enumerate(TEXTS)])
    yield name
    asking.drop_collection(name)


def held(client: Client, name: str) -> TokenVectors:
    """Return what a collection has of token vectors, once they are not being made any more."""
    while True:
        (found,) = (one.token_vectors for one in client.list_collections() if one.name == name)
        if found.state != "making":
            return found


def test_late_interaction_orders(asking: Client, notes: str):
    """Hits fall by MaxSim, which is what a rerank of the same texts says but for int8, and none has a score."""
    found = asking.search(notes, QUERY, top_k=len(TEXTS), mode="late-interaction")
    assert (found.mode, found.maxsim_scored, found.reranked) == ("late-interaction", len(TEXTS), 0)
    assert [hit.maxsim_rank for hit in found.hits] == [*range(1, len(TEXTS) + 1)]
    exact = {str(one.index): one.maxsim for one in asking.rerank(QUERY, TEXTS, model="late-interaction").results}
    assert {hit.id: hit.maxsim for hit in found.hits} == pytest.approx(exact, abs=0.01 * found.query_vectors)
    assert all(hit.score is None for hit in found.hits)
    assert 0 < found.timing.maxsim_ms <= found.timing.total_ms


def test_a_cascade_reads_the_best_of_them(asking: Client, notes: str):
    """Stage two reads as many as are named, the best by MaxSim; over Connect as well."""
    found = asking.search(notes, QUERY, top_k=len(TEXTS), candidates=len(TEXTS), mode="cascade", rerank_candidates=4)
    assert (found.mode, found.maxsim_scored, found.reranked) == ("cascade", len(TEXTS), 4)
    assert {hit.maxsim_rank for hit in found.hits if hit.score is not None} == {1, 2, 3, 4}
    assert all(hit.score is not None for hit in found.hits[:4])


def test_connect_has_it(http: httpx.Client, notes: str):
    """The modes, MaxSim and token vectors are in JSON by their names."""
    request = {"collection": notes, "query": QUERY, "mode": "MODE_CASCADE", "rerankCandidates": 2, "topK": 5}
    answer = http.post("/shortlist.v1.Retrieval/Search", json=request).json()
    assert (answer["mode"], answer["reranked"]) == ("MODE_CASCADE", 2)
    assert {one["maxsimRank"] for one in answer["hits"] if "score" in one} == {1, 2}
    listed = http.post("/shortlist.v1.Retrieval/ListCollections", json={}).json()["collections"]
    (vectors,) = (one["tokenVectors"] for one in listed if one["name"] == notes)
    assert (vectors["pooling"], vectors["state"]) == ("TOKEN_POOLING_NONE", "TOKEN_VECTORS_STATE_READY")


def test_token_vectors_are_changed(asking: Client, notes: str):
    """Pooled by two they are fewer and smaller; without any, a mode that needs them is refused with the remedy."""
    whole = held(asking, notes)
    assert (whole.state, whole.documents, whole.dimensions) == ("ready", len(TEXTS), 12)
    asking.set_token_vectors(notes, "by-two")
    halved = held(asking, notes)
    assert (halved.state, halved.pooling, halved.documents) == ("ready", "by-two", len(TEXTS))
    assert halved.vectors < 0.7 * whole.vectors
    assert halved.size_bytes < whole.size_bytes
    assert asking.set_token_vectors(notes, "no-vectors").token_vectors.state == "none"
    with pytest.raises(InvalidRequest, match="SetTokenVectors"):
        asking.search(notes, QUERY, mode="cascade")
    assert asking.search(notes, QUERY).maxsim_scored == 0
