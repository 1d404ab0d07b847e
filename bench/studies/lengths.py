"""Write texts of a number of tokens, cut out of real ones that are joined: documents for `shortlist bench --corpus`.

Knows tokenizers, not models. Special tokens are not counted; a text that is cut off within a word may come to a token
more or less.
"""

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from tokenizers import Tokenizer

from shortlist.bench import command, texts
from shortlist.console import output
from shortlist.server.runtime import bundle
from shortlist.server.settings import within

from . import study


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthsSettings:
    """The settings of the texts."""

    bundle: Path
    """whose tokens are counted"""
    corpus: Annotated[Path, Parameter(metavar="FILE")]
    """documents that texts are cut out of"""
    tokens: Annotated[int, within(1)]
    """of a text"""
    texts: Annotated[int, within(1)] = 5000
    """texts to write"""
    seed: int = 0
    """decides where texts begin"""


def main() -> int:
    """Write the texts; return the exit code."""
    options = "--bundle .demo/reranker --corpus corpus.jsonl --tokens 128 > cut-128.jsonl"
    return study.main("lengths", LengthsSettings, __doc__, options, run)


def run(chosen: LengthsSettings) -> int:
    """Write the texts, a JSON line each, and return the exit code."""
    passages = texts.find(corpus=chosen.corpus).passages
    cutter = Cutter(bundle.load(chosen.bundle).tokenizer, passages, chosen.seed)
    for number in range(chosen.texts):
        output.write(json.dumps({"_id": str(number), "text": cutter.cut(chosen.tokens)}))
    return command.OK


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


if __name__ == "__main__":
    sys.exit(main())
