"""Options of searches, and hits as documents."""

import math

import pytest

from langchain_shortlist import ShortlistVectorStore, searching
from shortlist.client import Hit, Mode, SearchResult, Timing

HIT = Hit("1", 0.7, 0.6, 0.5, 3, "A heading", "text", {"year": 2024})
UNREAD = Hit("2", None, None, -0.25, 4, "", "text", {})
LATE = Hit("3", None, None, 0.5, 5, "", "text", {}, maxsim=3.0, maxsim_rank=1)


def answer(mode: Mode) -> SearchResult:
    """Return an answer of a mode, to a query of four token vectors."""
    timing = Timing(*[0.0] * 9)
    return SearchResult((HIT,), 1, 1, None, 0.0, 1, mode, "dense", None, 0, timing, query_vectors=4)


def test_options_become_the_arguments_of_the_client():
    """`k` and `filter` by the client's names, and a deadline of the call before that of the store."""
    options = {"filter": {"year": 2024}, "mode": "dense", "timeout_s": 1}
    assert searching.arguments(4, options, 30) == {
        "top_k": 4,
        "where": {"year": 2024},
        "mode": "dense",
        "timeout_s": 1,
    }
    assert searching.arguments(4, {}, 30) == {"top_k": 4, "where": None, "timeout_s": 30}


@pytest.mark.parametrize("name", ["where", "top_k", "filters", "score_threshold"])
def test_other_options_are_refused_by_name(name: str):
    """None is passed over."""
    with pytest.raises(ValueError, match=f"{name}: got 1, but the options are filter, mode"):
        ShortlistVectorStore("notes").similarity_search("question", **{name: 1})


def test_a_hit_is_a_document_with_its_title():
    """The title is in the metadata, unless they have one."""
    assert searching.found(HIT).model_dump() == {
        "id": "1",
        "page_content": "text",
        "metadata": {"title": "A heading", "year": 2024},
        "type": "Document",
    }
    assert searching.document("1", "A heading", "text", {"title": "Own"}).metadata == {"title": "Own"}
    assert HIT.metadata == {"year": 2024}


def test_the_numbers_of_both_stages_are_there_on_request():
    """What stage two did not read has none of its own."""
    expected = {"relevance_score": 0.7, "score": 0.6, "similarity": 0.5, "stage_one_rank": 3}
    assert searching.explained(HIT).metadata == {"title": "A heading", "year": 2024, **expected}
    assert searching.explained(UNREAD).metadata["relevance_score"] is None
    assert "maxsim" not in searching.explained(UNREAD).metadata
    late = searching.explained(LATE).metadata
    assert (late["maxsim"], late["maxsim_rank"]) == (3.0, 1)


def test_a_score_is_what_hits_are_ordered_by():
    """Of stage two; the cosine without it, or the mean one of late interaction; NaN where it did not read the hit."""
    assert searching.score(HIT, answer("two-stage")) == 0.7
    assert searching.score(HIT, answer("dense")) == 0.5
    assert searching.score(LATE, answer("late-interaction")) == 0.75
    assert math.isnan(searching.score(UNREAD, answer("late-interaction")))
    assert math.isnan(searching.score(UNREAD, answer("cascade")))


def test_relevance_is_from_0_to_1():
    """Scores stay, cosines below 0 are 0, those that rounding put above 1 are 1, and NaN is no threshold's."""
    relevance = ShortlistVectorStore("notes")._select_relevance_score_fn()
    assert [relevance(score) for score in (0.0, 0.7, 1.0, -0.25, 1.0000001)] == [0.0, 0.7, 1.0, 0.0, 1.0]
    assert math.isnan(relevance(math.nan))
