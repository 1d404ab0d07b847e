"""Documents cut to what answers, and queries in other shapes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.finetune import wording

TEXTS = st.text(st.sampled_from("ab c."), min_size=1)


def test_the_part_that_answers_is_kept():
    """The window holds the query's rare words rather than its frequent ones."""
    document = " ".join(["the city"] * 30 + ["quasar"] + ["a river"] * 30)
    cutter = wording.Cutter([document, "city", "city", "city"])
    cut = cutter.cut(document, "which city has a quasar?", 12)
    assert "quasar" in cut
    assert len(cut.split()) == 12


def test_short_documents_stay_whole():
    """What fits is not touched."""
    assert wording.Cutter(["a  b"]).cut("a  b", "b", 5) == "a  b"


@given(TEXTS, TEXTS, st.integers(1, 5))
def test_a_cut_is_a_part(document, query, words):
    """A cut is words of the document, in a row, and no more than asked for."""
    cut = wording.Cutter([document]).cut(document, query, words).split()
    whole = document.split()
    assert len(cut) <= words
    assert any(whole[at : at + len(cut)] == cut for at in range(len(whole) + 1))


def test_keywords_leave_out_what_nobody_types():
    """Stop words and the question mark go; some other words may."""
    found = wording.keywords("What is the capital of France?", random.Random(1)).split()
    assert set(found) <= {"capital", "france"}
    assert found


def test_keywords_of_nothing_but_stop_words():
    """A query that would become empty stays."""
    assert wording.keywords("what is it", random.Random(1)) == "what is it"


def test_beginnings_and_excerpts():
    """A beginning is half the query, an excerpt some words of the document in a row."""
    assert wording.beginning("one two three four five six seven eight") == "one two three four"
    document = " ".join(map(str, range(50)))
    assert wording.excerpt(document, random.Random(1)) in document


def test_plain_queries():
    """A question loses capitals and its mark; a query of marks alone stays."""
    assert wording.plain("What is the capital of France?") == "what is the capital of france"
    assert wording.plain("?!") == "?!"


@pytest.mark.parametrize(
    ("passage", "query", "denied"),
    [
        ("The server can be stopped.", "how do I stop the server?", "The server cannot be stopped."),
        ("It waits. A year is a leap year.", "is it a leap year", "It waits. A year is not a leap year."),
        ("Stops the server. Then it waits.", "stop the server", "Does not stop the server. Then it waits."),
        ("To stop it, press the key.", "what do I press to stop it", "To stop it, do not press the key."),
        ("The server cannot be stopped.", "how do I stop the server?", ""),  # says no already
        ("The server can be stopped.", "why can't I stop the server?", ""),  # asks for a no
        ("Red and green. It is raining.", "how do I stop the server?", ""),  # says nothing of what is asked
    ],
)
def test_what_answers_is_denied(passage, query, denied):
    """The sentence that shares most words with the query says no; where that is not possible, nothing comes back."""
    assert wording.negated(passage, query) == denied
