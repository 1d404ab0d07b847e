"""The order of reranked documents."""

import pytest
from langchain_core.documents import Document

from langchain_shortlist import ShortlistRerank


@pytest.mark.parametrize(("top_n", "expected"), [(None, [2, 4, 0, 1, 3]), (4, [2, 4, 0, 1])])
def test_what_was_not_scored_follows_in_its_order(top_n: int | None, expected: list[int]):
    """By score, equals as they came, then those that the server had no time for, whose score is None."""
    scores = [0.1, None, 0.9, None, 0.9]
    documents = [Document(f"text {place}", metadata={"place": place}) for place in range(5)]
    found = ShortlistRerank(top_n=top_n)._best(documents, scores)
    assert [one.metadata["place"] for one in found] == expected
    assert [one.metadata["relevance_score"] for one in found] == [scores[place] for place in expected]
