"""Passages out of plain text."""

from hypothesis import given
from hypothesis import strategies as st

from shortlist.client.passages import cut


def words(text):
    """Return a text's words."""
    return text.split()


def test_paragraphs_are_merged_up_to_the_size():
    """Paragraphs share a passage as long as they fit, with their blank line."""
    assert list(cut("aaaa\n\nbbbb\n \n\ncccc", most=10)) == ["aaaa\n\nbbbb", "cccc"]


def test_a_long_paragraph_is_cut_at_a_sentence():
    """A paragraph that does not fit ends where its last whole sentence does."""
    assert list(cut("One two. Three four. Five six.", most=22)) == ["One two. Three four.", "Five six."]


def test_a_long_sentence_is_cut_at_a_word():
    """A sentence that does not fit is cut between words, and a word that does not fit within it."""
    assert list(cut("aaa bbb ccc", most=8)) == ["aaa bbb", "ccc"]
    assert list(cut("a" * 10, most=4)) == ["aaaa", "aaaa", "aa"]


@given(st.text(st.sampled_from("ab.!? \n\t"), max_size=300), st.integers(1, 50))
def test_nothing_is_lost_or_too_long(text, most):
    """Passages hold every character but white space, in order, and none is empty or over the size."""
    passages = list(cut(text, most))
    assert "".join(words(text)) == "".join(words(" ".join(passages)))
    assert all(0 < len(passage) <= most for passage in passages)
