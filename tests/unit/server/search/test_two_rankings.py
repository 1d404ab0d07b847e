"""Two rankings as one: their union in turns, and their fusion by scores and by places."""

import numpy as np
import pytest
from scipy import stats

from shortlist.server.search import candidates
from shortlist.server.storage.document import Candidate, Document


def dense(*names: str, version: int = 1) -> list[Candidate]:
    """Return a ranking by similarity, 0.9 and falling by 0.1."""
    return [
        Candidate(Document(name, name), 1 - rank / 10, rank, (0, version), dense_rank=rank)
        for rank, name in enumerate(names, 1)
    ]


def lexical(*names: str, version: int = 1) -> list[Candidate]:
    """Return a ranking by words, with scores of 8, 4, 2 and so on."""
    return [
        Candidate(Document(name, name), 0.25, rank, (0, version), lexical_rank=rank, lexical_score=16 / 2**rank)
        for rank, name in enumerate(names, 1)
    ]


def told(found: list[Candidate]) -> list[tuple[str, int, int | None, int | None]]:
    """Return id and places of each."""
    return [(one.document.id, one.rank, one.dense_rank, one.lexical_rank) for one in found]


def test_a_union_takes_turns():
    """Either ranking brings every other document, each comes once, and all tell both places."""
    found = candidates.union(dense("a", "b", "c"), lexical("d", "a", "e"), 4)
    assert told(found) == [("a", 1, 1, 2), ("d", 2, None, 1), ("b", 3, 2, None), ("c", 4, 3, None)]


def test_a_union_has_as_many_as_there_are():
    """Where one ranking ends, the other fills up, so a union has `count` documents if the two have them."""
    names = [one.document.id for one in candidates.union(dense("a", "b", "c", "d"), lexical("b"), 4)]
    assert names == ["a", "b", "c", "d"]
    assert candidates.union([], lexical("b", "c"), 1)[0].document.id == "b"
    assert candidates.union([], [], 5) == []


def test_the_later_version_of_a_document_counts():
    """Of a document that was replaced between the two searches, the new text is read."""
    for first, second in ((1, 2), (2, 1)):
        (found,) = candidates.union(dense("a", version=first), lexical("a", version=second), 5)
        assert (found.version, found.dense_rank, found.lexical_rank) == ((0, 2), 1, 1)


def test_fusion_by_places():
    """Reciprocal rank fusion: 1 / (60 + place), summed (Cormack et al., 2009)."""
    found = candidates.fused(dense("a", "b", "c"), lexical("c", "a"), "rrf")
    assert [one.document.id for one in found] == ["a", "c", "b"]  # 1/61 + 1/62, 1/63 + 1/61, 1/62
    assert told(found)[1] == ("c", 2, 3, 1)


def test_fusion_by_scores():
    """Each score counts in deviations from the mean of all; what words did not find has none of them."""
    near, words = dense("a", "b", "c", "d"), lexical("c", "b", "e")
    found = candidates.fused(near, words, "distribution")
    cosines = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.25}
    scores = {"a": 0.0, "b": 4.0, "c": 8.0, "d": 0.0, "e": 2.0}
    expected = sum(stats.zscore(list(values.values())) for values in (cosines, scores))
    assert [one.document.id for one in found] == [list(cosines)[place] for place in np.argsort(-expected)]
    assert found[0].document.id == "c"


def test_the_only_one_that_has_a_code_comes_first():
    """Of many similar documents and one that is not, but has what was asked for, that one is first."""
    similar = dense(*(f"similar {number}" for number in range(9)))
    found = candidates.fused(similar, lexical("code"), "distribution")
    assert told(found)[0] == ("code", 1, None, 1)


@pytest.mark.parametrize("how", ["distribution", "rrf"])
def test_a_fusion_of_little(how: str):
    """One document, or equal scores, or nothing are fused as well."""
    assert told(candidates.fused(dense("a"), [], how)) == [("a", 1, 1, None)]
    assert told(candidates.fused([], lexical("a"), how)) == [("a", 1, None, 1)]
    assert candidates.fused([], [], how) == []
