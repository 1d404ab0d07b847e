"""The words of a text, as the lexical index holds them and a query asks for them.

A word is a run of letters and digits, in lower case and, by the collection's language, without its ending. A name in
code or a path is a word as a whole, and so is each of its parts:

    os.scandir      os.scandir, os, scandir
    readHTTPBody    readhttpbodi, read, http, bodi (English)
    C++             c++, c

Scripts without spaces between words are taken in pairs of characters that overlap, and in documents one by one too,
so that a query of a single character finds something. Pure functions of texts; no part of it knows the index.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal, get_args

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

Language = Literal[
    "none",
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT_LANGUAGE: Language = "english"

_WITHOUT_STOP_WORDS = {"arabic", "greek", "romanian", "tamil", "turkish"}  # tantivy has no list

# To be raised with every change of what is a word: indexes of another version are built anew.
VERSION = 1

# A longer run is no word that anybody asks for; its beginning is kept on both sides.
_LONGEST = 128
# Thai, Lao, Myanmar, Khmer, Hangul, kana and Han.
_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
# Vowel signs and accents, which are no letters to `re`: without them words of Indian scripts would fall to pieces.
_MARKS = "".join(
    chr(code) for code in range(0x300, 0x3000) if unicodedata.category(chr(code)) in {"Mn", "Mc"}
).translate(dict.fromkeys((*range(0xE01, 0xF00), *range(0x1000, 0x10A0), *range(0x1780, 0x1800))))
_PIECE = rf"(?:[^\W_{_UNSPACED}]++[{_MARKS}]*+)++"
_WORD = re.compile(rf"({_PIECE}(?:[._:/\\@-]{{1,3}}{_PIECE})*+(?:\+\+|\#(?!\w))?)|([{_UNSPACED}]++)")
_PARTS = re.compile(_PIECE)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def named(name: str) -> Language:
    """Return the language of this name.

    Raises:
        ValueError: there is none.
    """
    return LANGUAGES[LANGUAGES.index(name)]


class Analyser:
    """What makes words of texts, for one language."""

    def __init__(self, language: Language) -> None:
        """Take the stemmer and the stop words of a language; `none` has neither."""
        self._stems = self._without_stop_words = None
        if language != "none":
            stemmer = Filter.stemmer(language)
            words = TextAnalyzerBuilder(Tokenizer.whitespace())
            self._stems = words.filter(stemmer).build()
            words = TextAnalyzerBuilder(Tokenizer.whitespace())
            if language not in _WITHOUT_STOP_WORDS:
                words = words.filter(Filter.stopword(language))
            self._without_stop_words = words.filter(stemmer).build()

    def document(self, text: str) -> list[str]:
        """Return all words of a document, as often as they come, in no order."""
        names, words = _split(text, alone=True)
        return names + _analysed(self._stems, words)

    def query(self, text: str) -> list[str]:
        """Return the words to look for, each once, without stop words unless there are no others."""
        names, words = _split(text, alone=False)
        found = names + _analysed(self._without_stop_words, words)
        return list(dict.fromkeys(found or _analysed(self._stems, words)))


def _analysed(analyser: TextAnalyzer | None, words: list[str]) -> list[str]:
    return analyser.analyze(" ".join(words)) if analyser else words


def _split(text: str, *, alone: bool) -> tuple[list[str], list[str]]:
    """Return names in code, which are kept as they are, and words that may have endings.

    Args:
        text: what to split.
        alone: whether characters of scripts without spaces come one by one too.
    """
    names: list[str] = []
    words: list[str] = []
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text)):
        word, unspaced = match.groups()
        if unspaced:
            names.extend(_pairs(unspaced, alone=alone))
            continue
        pieces = _PARTS.findall(word)
        if len(pieces) > 1 or word != pieces[0]:
            names.append(word.lower()[:_LONGEST])
        for piece in pieces:
            words.append(piece.lower()[:_LONGEST])
            if len(humps := _HUMP.split(piece)) > 1:
                words.extend(hump.lower()[:_LONGEST] for hump in humps)
    return names, words


def _pairs(run: str, *, alone: bool) -> Iterator[str]:
    """Yield each two neighbours of a run of characters, and each character if wanted or if there is no other."""
    if alone or len(run) == 1:
        yield from run
    yield from map("".join, itertools.pairwise(run))
