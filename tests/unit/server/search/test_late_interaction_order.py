"""The order of candidates by MaxSim, and what a change that came between leaves of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.fusion import Fusion
from shortlist.server.inference.result import Result
from shortlist.server.search import late_interaction, ranking
from shortlist.server.storage.document import Candidate, Document


def candidates(count: int) -> list[Candidate]:
    """Return candidates in stage one's order, numbered from 100."""
    return [Candidate(Document(str(place), "text"), 0.5, place + 1, (7, place + 100)) for place in range(count)]


@given(st.lists(st.none() | st.floats(-32, 32, width=32), max_size=30), st.randoms())
def test_each_candidate_once_the_best_first(values: list[float | None], random):
    """All are there once; MaxSim falls; ties, and what has none, keep stage one's order; ranks count from 1."""
    found = candidates(len(values))
    known = [(one.version[1], value) for one, value in zip(found, values, strict=True) if value is not None]
    random.shuffle(known)  # a collection answers in any order
    numbers = np.array([number for number, _ in known], np.int64)
    scores = np.array([value for _, value in known], np.float32)
    order = late_interaction.ordered(found, numbers, scores)
    expected = sorted(range(len(values)), key=lambda place: (values[place] is None, -(values[place] or 0.0), place))
    assert [one.rank - 1 for one in order] == expected
    assert [one.maxsim for one in order] == [values[place] for place in expected]
    assert [one.maxsim_rank for one in order] == [*range(1, len(known) + 1), *[None] * (len(values) - len(known))]


def test_the_numbers_are_the_documents():
    """What a collection is asked for is the number of a version, not of the process's collection."""
    assert late_interaction.numbers(candidates(3)).tolist() == [100, 101, 102]
    assert late_interaction.numbers([]).dtype == np.int64


def test_mean_cosines():
    """A MaxSim divided by the query's vectors is a mean cosine; what has none has none."""
    order = late_interaction.ordered(candidates(2), np.array([101]), np.array([6.0], np.float32))
    assert late_interaction.cosines(order, 8) == [0.75, None]


def test_what_stage_two_did_not_read_follows_by_maxsim():
    """Hits carry both; those that stage two read fall by its logits, the rest by MaxSim, the last have neither."""
    found = candidates(4)
    scores = np.array([1.0, 3.0, 2.0], np.float32)
    order = late_interaction.ordered(found, np.array([100, 101, 102]), scores)
    scored = Result.empty(2, 1)
    scored.values[:, 0], scored.done[:] = [-1.0, 1.0], True
    hits = ranking.hits(order, scored, Fusion())
    assert [hit.document.id for hit in hits] == ["2", "1", "0", "3"]
    assert [(hit.maxsim, hit.maxsim_rank) for hit in hits] == [(2.0, 2), (3.0, 1), (1.0, 3), (None, None)]
    assert [hit.logit for hit in hits] == [1.0, -1.0, None, None]
