"""BM25 over texts: words that are shared, rare ones first, and nothing where nothing is shared."""

import math

import pytest

from shortlist.finetune.lexical import Lexical

TEXTS = ["the red cat", "a red dog and a red sun", "blue birds", "the red moon"]


def test_search_finds_what_shares_words():
    """Texts with the rarer word come first; texts that share no word are not found."""
    assert list(Lexical(TEXTS).search(["red cat", "blue", "green", "Birds!"], 3)) == [[0, 1, 3], [2], [], [2]]


def test_scores_are_lucenes():
    """A score is BM25 as Lucene has it, with k1 0.9 and b 0.4: by hand for one word in one of four texts."""
    lengths = [2, 4, 2, 2]  # without stop words
    idf = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
    wanted = idf * 1 / (1 + 0.9 * (1 - 0.4 + 0.4 * 2 / (sum(lengths) / 4)))
    assert Lexical(TEXTS).scores("cat").tolist() == pytest.approx([wanted, 0, 0, 0])


@pytest.mark.parametrize(("texts", "query"), [(["the", "of"], "cat"), (TEXTS, "of the"), (TEXTS, "")])
def test_no_words_no_scores(texts, query):
    """Texts or queries of stop words alone score 0, and are no error."""
    assert Lexical(texts).scores(query).tolist() == [0.0] * len(texts)
