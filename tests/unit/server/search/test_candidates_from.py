"""What stage one ranks by: similarity, words, or both, with the tiny models and real collections."""

from collections.abc import Callable

import pytest

from shortlist.server.app import Components
from shortlist.server.errors import InvalidRequest, NotServing
from shortlist.server.storage.document import Document
from shortlist.server.storage.filters import Between, Condition, Value
from tiny_collections import followed
from two_stages import EVERYTHING, LONG_S, now

CODE = Document("code", "E11000 duplicate key error collection")


@pytest.fixture
async def coded(components: Components, filled: Callable) -> None:
    """Make a collection of 60 documents, of which one holds a code."""
    await filled(59)
    await components.pipeline.upsert("c", [CODE], now(components) + LONG_S)
    followed()


async def test_a_code_is_found_first_by_its_words(coded: None, search: Callable):
    """Words find what vectors of other texts may not; without a reranker it is the first hit."""
    found = await search(text="E11000", mode="dense", candidates_from="lexical")
    assert [hit.document.id for hit in found.hits] == ["code"]
    assert (found.candidates_from, found.candidates) == ("lexical", 1)
    hit = found.hits[0]
    assert (hit.rank, hit.lexical_rank, hit.dense_rank, hit.score) == (1, 1, None, None)


async def test_stage_two_reads_what_words_found(coded: None, search: Callable):
    """Of few candidates of both rankings, what the words name is one, has a score, and tells its places."""
    found = await search(text="E11000", top_k=4, candidates=4, candidates_from="hybrid")
    assert (found.candidates, found.reranked, found.candidates_from) == (4, 4, "hybrid")
    (hit,) = (hit for hit in found.hits if hit.document.id == "code")
    assert hit.lexical_rank == 1
    assert hit.score is not None
    assert sorted(hit.rank for hit in found.hits) == [1, 2, 3, 4]


async def test_both_rankings_are_the_default(coded: None, search: Callable):
    """Unless a search says otherwise, a reranker reads the best of both, also what is far by vector."""
    near = await search(text="E11000", mode="dense", top_k=60)
    assert near.candidates_from == "dense"
    assert near.hits[0].document.id != "code"
    for mode in ("auto", "two-stage"):
        found = await search(text="E11000", top_k=10, mode=mode, margin=0.0)
        (hit,) = (hit for hit in found.hits if hit.document.id == "code")
        assert (found.candidates_from, found.limited_by, hit.lexical_rank) == ("hybrid", "margin", 1)
        assert hit.score is not None


async def test_both_rankings_without_a_reranker(coded: None, search: Callable):
    """Fused, what only one ranking has is there as well, in an order of its own, and top_k hits come back."""
    for how in ("distribution", "rrf"):
        found = await search(text="E11000 key", mode="dense", top_k=10, candidates_from="hybrid", rank_fusion=how)
        assert len(found.hits) == 10
        assert [hit.rank for hit in found.hits] == list(range(1, 11))
        assert "code" in {hit.document.id for hit in found.hits[:2]}


@pytest.mark.parametrize("source", ["dense", "lexical", "hybrid"])
async def test_filters_hold_whatever_finds_a_hit(coded: None, components: Components, search: Callable, source: str):
    """Only documents that match are candidates, all that can be found, and the answer tells how many match."""
    more = [Document(f"{place}", f"E11000 once more {place}", metadata=f'{{"place":{place}}}') for place in range(6)]
    await components.pipeline.upsert("c", more, now(components) + LONG_S)
    where = Condition("place", Between(Value("number", 2), None))
    for mode in ("dense", "two-stage"):
        found = await search(text="E11000", mode=mode, top_k=10, candidates_from=source, where=where)
        assert sorted(hit.document.id for hit in found.hits) == ["2", "3", "4", "5"]
        assert (found.candidates_from, found.matched, found.candidates) == (source, 4, 4)


async def test_similarity_means_the_same_whatever_found_a_hit(coded: None, search: Callable):
    """A hit has the same cosine, whether vectors or words named it."""
    near = {hit.document.id: hit.similarity for hit in (await search(text="key", mode="dense", top_k=60)).hits}
    found = await search(text="key", mode="dense", candidates_from="lexical")
    assert found.hits
    for hit in found.hits:
        assert hit.similarity == pytest.approx(near[hit.document.id], abs=1e-3)


async def test_a_small_collection_is_read_whole_from_both(coded: None, search: Callable):
    """Mode auto has every document for a candidate from both rankings too, each once."""
    found = await search(text="E11000", top_k=60, candidates_from="hybrid", margin=EVERYTHING)
    assert (found.mode, found.candidates, found.reranked) == ("rerank-all", 60, 60)
    assert len({hit.document.id for hit in found.hits}) == 60


async def test_words_that_are_being_indexed(coded: None, components: Components, search: Callable):
    """Until all is indexed, words alone are refused, and both are answered by similarity, which is told."""
    components.pipeline.contents.collection("c")._indexes.words.ready = False
    with pytest.raises(NotServing, match="are being indexed"):
        await search(candidates_from="lexical")
    assert (await search(candidates_from="hybrid")).candidates_from == "dense"


async def test_words_alone_are_not_every_document(coded: None, search: Callable):
    """Reading every document and only those with a word of the query contradict each other."""
    with pytest.raises(InvalidRequest, match="candidates_from: got 'CANDIDATES_FROM_LEXICAL', but MODE_RERANK_ALL"):
        await search(mode="rerank-all", candidates_from="lexical")


async def test_a_language_is_kept_and_checked(components: Components):
    """A collection is of the language that it was made with; another one is refused, and so is an unknown one."""
    contents = components.pipeline.contents
    made, _ = await contents.create("notizen", exist_ok=False, language="german")
    assert made.choices.language == "german"
    again, created = await contents.create("notizen", exist_ok=True)
    assert (again.choices.language, created) == ("german", False)
    with pytest.raises(Exception, match="is there already, with german and not english"):
        await contents.create("notizen", exist_ok=True, language="english")
    with pytest.raises(InvalidRequest, match="language: got 'klingon', but it must be one of none, arabic"):
        await contents.create("other", exist_ok=False, language="klingon")
