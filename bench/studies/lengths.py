"""Texts of a number of tokens: cut out of real ones that are joined.

Knows tokenizers, not models. A text that is cut off within a word may come to a token more or less.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer


class Cutter:
    """A source of texts of a given number of tokens, cut out of passages."""

    def __init__(self, tokenizer: Path, passages: Sequence[str], seed: int) -> None:
        """Tokenize the passages.

        Args:
            tokenizer: a bundle's tokenizer.json.
            passages: of which texts are made.
            seed: decides where texts begin.
        """
        fast = Tokenizer.from_file(str(tokenizer))
        fast.no_truncation()
        fast.no_padding()
        self._rng = random.Random(seed)  # noqa: S311 (repeatable, no secret)
        self._text = " ".join(passages)
        self._starts: list[int] = []  # of every token in the text
        at = 0
        for passage, found in zip(passages, fast.encode_batch(list(passages), add_special_tokens=False), strict=True):
            self._starts += [at + start for start, _ in found.offsets]
            at += len(passage) + 1

    def cut(self, tokens: int) -> str:
        """Return a text of so many tokens from anywhere, or of all there are; special tokens are not counted."""
        begin = self._rng.randrange(max(1, len(self._starts) - tokens))
        ends = self._starts[begin + tokens : begin + tokens + 1] or [len(self._text)]
        return self._text[self._starts[begin] : ends[0]].strip()
