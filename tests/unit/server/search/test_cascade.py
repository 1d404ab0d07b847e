"""Searches with late interaction over real parts: a model that PyLate saved, and the MaxSim that it made."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import late_goldens
from shortlist.server import app
from shortlist.server.errors import DeadlineExceeded, InferenceFailed, InvalidRequest, NoTokens, Unsupported
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.token_embedder import TokenEmbedder
from shortlist.server.search.query import Query
from shortlist.server.settings import Settings
from shortlist.server.storage.document import Document
from two_stages import LONG_S, costs, now, runs

GOLDEN = late_goldens.HERE / "pylate-bert"
TEXTS = {str(place): text for place, text in enumerate(late_goldens.DOCUMENTS) if text}
# A vector in int8 is off by 1/254 of its largest element; 12 query vectors of 8 elements add up to this at the worst.
TOLERANCE = 0.05


@pytest.fixture(scope="module")
def late(make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the model that PyLate saved."""
    return make.export(GOLDEN, tmp_path_factory.mktemp("late") / "bundle", variants=()).path


@pytest.fixture
def components(tiny, late: Path, tmp_path: Path) -> Iterator[app.Components]:
    """Build what a server with all three models is made of, without a budget of time."""
    models = {"embedder": tiny.embedder, "reranker": tiny.reranker, "late_interaction": late}
    built = app.build(Settings(**models, data=tmp_path / "data", slots=1, auto_budget_ms=1e6))
    yield built
    built.close()


@pytest.fixture
def filled(components: app.Components) -> Callable:
    """Return what makes a collection of the texts that PyLate read."""

    async def fill(token_pooling: str | None = None) -> None:
        await components.pipeline.contents.create("c", exist_ok=False, token_pooling=token_pooling)
        documents = [Document(name, text) for name, text in TEXTS.items()]
        await components.pipeline.upsert("c", documents, now(components) + LONG_S)
        components.pipeline.contents.collection("c").settle()

    return fill


def expected(query: int = 0) -> dict[str, float]:
    """Return what PyLate made of each text."""
    return dict(enumerate(np.load(GOLDEN / "vectors.npz")["maxsim"][query].tolist()))


def maxsims(found) -> dict[int, float]:
    """Return what a search made of each."""
    return {int(hit.document.id): hit.maxsim for hit in found.hits}


@pytest.mark.parametrize("place", [0, 1, 3])
async def test_maxsim_is_the_author_s_own(filled: Callable, search: Callable, place: int):
    """Hits carry the MaxSim that the model's own library made of these texts, and fall by it, without a score."""
    await filled()
    found = await search(text=late_goldens.QUERIES[place], mode="late-interaction")
    theirs = expected(place)
    assert maxsims(found) == pytest.approx({int(name): theirs[int(name)] for name in TEXTS}, abs=TOLERANCE)
    assert len({round(value, 2) for value in maxsims(found).values()}) > 1
    assert [hit.maxsim for hit in found.hits] == sorted((hit.maxsim for hit in found.hits), reverse=True)
    assert [hit.maxsim_rank for hit in found.hits] == list(range(1, len(TEXTS) + 1))
    assert {hit.relevance for hit in found.hits} == {hit.score for hit in found.hits} == {None}
    assert (found.mode, found.maxsim_scored, found.reranked) == ("late-interaction", len(TEXTS), 0)
    assert found.query_vectors == late_goldens.QUERY_TOKENS
    assert found.timing.maxsim_s > 0
    assert found.timing.rerank_s < found.timing.maxsim_s + found.timing.embed_s


async def test_stage_two_reads_the_best_by_maxsim(filled: Callable, search: Callable):
    """The cross-encoder reads as many as are named, the best by MaxSim; its order comes first, then MaxSim's."""
    await filled()
    by_maxsim = (await search(text=late_goldens.QUERIES[0], mode="late-interaction")).hits
    every = await search(text=late_goldens.QUERIES[0], mode="two-stage", candidates=10)
    logits = {hit.document.id: hit.logit for hit in every.hits}
    found = await search(text=late_goldens.QUERIES[0], mode="cascade", rerank_candidates=2, top_k=5)
    assert (found.mode, found.selected, found.reranked, found.limited_by) == ("cascade", 2, 2, "none")
    first, rest = found.hits[:2], found.hits[2:]
    assert {hit.maxsim_rank for hit in first} == {1, 2}
    assert [hit.logit for hit in first] == sorted((logits[hit.document.id] for hit in first), reverse=True)
    assert [hit.document.id for hit in rest] == [hit.document.id for hit in by_maxsim[2:]]
    assert {hit.score for hit in rest} == {None}


async def test_auto_is_the_cascade(filled: Callable, search: Callable, components: app.Components):
    """Mode auto is the cascade once all documents have token vectors, and the two stages before."""
    await filled("no-vectors")
    assert (await search(top_k=2, margin=0.0)).mode == "two-stage"
    pipeline = components.pipeline
    await pipeline.contents.set_token_vectors("c", "none")
    half = await search(top_k=2, margin=0.0)
    assert (half.mode, half.maxsim_scored, half.degraded) == ("two-stage", 0, "none")
    await pipeline.upsert("c", [Document(name, f"{text}.") for name, text in TEXTS.items()], LONG_S + now(components))
    found = await search(top_k=2, margin=0.0)
    assert (found.mode, found.maxsim_scored, found.selected) == ("cascade", len(TEXTS), 2)
    assert (await search(top_k=len(TEXTS))).maxsim_scored == 0  # all are read, whatever MaxSim says


async def test_what_wants_token_vectors_is_refused_with_the_remedy(
    filled: Callable, search: Callable, components: app.Components
):
    """A mode that is named needs token vectors that are ready, and of the server's model."""
    await filled("no-vectors")
    for mode in ("cascade", "late-interaction"):
        with pytest.raises(InvalidRequest, match=r"collection c has no token vectors; have them made with SetToken"):
            await search(mode=mode)
    contents = components.pipeline.contents
    collection = await contents.set_token_vectors("c", "none")
    with pytest.raises(InvalidRequest, match=r"0 of 5 documents of collection c have token vectors; wait until"):
        await search(mode="cascade")
    collection.token_making.begin("none", collection.origin)
    with pytest.raises(InvalidRequest, match=r"are of another model \(.*\); start the server with that one"):
        await search(mode="cascade")


async def test_without_a_model(tiny, tmp_path: Path):
    """Without a model modes that need one are refused by name, and auto is as before."""
    built = app.build(Settings(embedder=tiny.embedder, reranker=tiny.reranker, data=tmp_path / "d", slots=1))
    try:
        await built.pipeline.contents.create("c", exist_ok=False)
        asked = {"collection": "c", "text": "ink", "deadline": now(built) + LONG_S}
        with pytest.raises(Unsupported, match=r"MODE_CASCADE.*no late-interaction model; start the server"):
            await built.pipeline.search(Query(**asked, mode="cascade"))
        assert (await built.pipeline.search(Query(**asked))).mode == "two-stage"
    finally:
        built.close()


@pytest.mark.parametrize(
    ("error", "degraded"), [(DeadlineExceeded("late"), "deadline"), (InferenceFailed("no"), "inference-failed")]
)
async def test_without_the_query_s_token_vectors(
    filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch, error: Exception, degraded: str
):
    """Where they cannot be had, the cascade is the two stages, and late interaction the first; the answer says so."""
    await filled()

    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(TokenEmbedder, "embed", fail)
    plain = await search(mode="two-stage", candidates=10, top_k=3)
    found = await search(mode="cascade", rerank_candidates=5, top_k=3)
    assert (found.mode, found.maxsim_scored, found.query_vectors, found.degraded) == ("two-stage", 0, 0, degraded)
    assert found.hits == plain.hits
    alone = await search(mode="late-interaction", top_k=3)
    assert (alone.mode, alone.maxsim_scored, alone.degraded) == ("dense", 0, degraded)
    assert [hit.rank for hit in alone.hits] == [1, 2, 3]


async def test_a_deadline_that_token_vectors_cannot_meet(
    filled: Callable, search: Callable, components: app.Components, monkeypatch: pytest.MonkeyPatch
):
    """Token vectors get half of the time: where that is too little by what runs cost, none is waited for."""
    await filled()
    costs(monkeypatch, components.pipeline.late_interaction.graph, 100.0)
    before = runs(components)[Lane.QUERY]
    found = await search(mode="cascade", left_s=60.0, text="who printed it")
    assert (found.mode, found.degraded, found.maxsim_scored) == ("two-stage", "deadline", 0)
    assert runs(components)[Lane.QUERY] == before + 1  # the dual encoder's alone


async def test_a_query_of_no_token(filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch):
    """A query that the late-interaction model reads nothing of is named."""
    await filled()

    async def fail(*_: object) -> None:
        raise NoTokens(0, "ink")

    monkeypatch.setattr(TokenEmbedder, "embed", fail)
    with pytest.raises(NoTokens, match=r"^query: got 'ink'"):
        await search(mode="cascade", text="ink")


async def test_token_vectors_that_are_changed_meanwhile(
    filled: Callable, search: Callable, components: app.Components, monkeypatch: pytest.MonkeyPatch
):
    """A search that finds other token vectors wanted than when it began goes on without."""
    await filled()
    collection = components.pipeline.contents.collection("c")
    embed = TokenEmbedder.embed

    async def change(*given: object, **named: object) -> object:
        collection.token_making.begin("by-two", components.pipeline.contents._catalog.token_model)
        return await embed(*given, **named)

    monkeypatch.setattr(TokenEmbedder, "embed", change)
    found = await search(mode="cascade", top_k=3)
    assert (found.mode, found.maxsim_scored, found.degraded) == ("two-stage", 0, "none")


async def test_nothing_is_found_in_nothing(search: Callable, components: app.Components):
    """An empty collection answers in both modes."""
    await components.pipeline.contents.create("c", exist_ok=False)
    for mode in ("late-interaction", "cascade"):
        found = await search(mode=mode)
        assert (found.hits, found.mode, found.maxsim_scored, found.degraded) == ([], mode, 0, "none")
