"""The part of a text that answers a query best, as far as its words tell: what to show of a hit.

A sentence, or a line of a list or table, is worth what the query's words in it are worth, and what comes behind it as
far as there is room for it; a word is worth more the fewer of the texts have it. The models have chosen the text by
what it means; this only chooses where to begin showing it: at the beginning where no word of the query occurs. Words
are compared by their stems, roughly, and by pairs of characters in scripts without spaces. Pure functions of text.
"""

import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from shortlist.console import columns

# Scripts without spaces: Thai to Khmer; Hangul, kana and Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
# `\w` leaves out the marks inside of words: accents, and vowels in Hebrew, Arabic and the scripts of India.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[{_UNSPACED}]+|(?:[^\W_{_UNSPACED}]|[{_MARKS}])+")
# A blank line; the beginning of a heading, a line of a list, table or quotation, a fence; the end of a sentence.
_BREAK = re.compile(r"\n\s*\n|\n(?=[ \t]*(?:[-*+|>#`]|\d+[.)]\s))|(?<=[.!?])\s+|(?<=[.!?][\"')\]])\s+|(?<=[。！？])")  # noqa: RUF001
_ACCENTS = re.compile("[\u0300-\u036f]")
_ENDINGS = {"ies": "y", "ied": "y", **dict.fromkeys(("ings", "ing", "ers", "er", "ed", "es", "ly", "s", "e"), "")}
_LEAST_STEM = 2
_COLUMNS = 220  # what is enough to judge a text by: two lines of a wide terminal, three of a narrow one
_MORE = " ..."
# What questions are made of, and what says nothing of what is asked for.
_QUESTIONS = """
a about an and any are as at be been but by can could did do does for from had has have how i if in into is it its me
my no not of on or our s shall should so some such t than that the their them then there these they this those to us
was we were what when where which who whom whose why will with would you your
"""
_STOP = frozenset(_QUESTIONS.split())


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of a query, as stems, and what each is worth among some texts."""

    worth: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Word:
    begin: int
    end: int
    stem: str


def terms(query: str, texts: Sequence[str]) -> Terms:
    """Return the words of a query, each worth log(1 + texts / texts that have it), as in BM25's idf.

    Words such as "the" and "how" count only where there are no others.
    """
    asked = {word.stem: query[word.begin : word.end].casefold() not in _STOP for word in _words(query)}
    telling = {stem for stem, tells in asked.items() if tells} or set(asked)
    having = [telling & {word.stem for word in _words(text)} for text in texts]
    counts = {stem: sum(stem in one for one in having) for stem in telling}
    return Terms({stem: math.log(1 + len(texts) / max(1, count)) for stem, count in counts.items()})


def spans(text: str, query: Terms) -> list[tuple[int, int]]:
    """Return where words of the query are in a text: from and up to which character, in order, none over another."""
    found: list[tuple[int, int]] = []
    for word in _words(text):
        if word.stem not in query.worth:
            continue
        if found and word.begin < found[-1][1]:
            found[-1] = (found[-1][0], word.end)
        else:
            found.append((word.begin, word.end))
    return found


def lines(text: str, query: Terms, room: int, most: int, title: str = "") -> list[str]:
    """Return the part of a text that answers best, with "..." where it is cut.

    Args:
        text: of a document.
        query: what was asked.
        room: columns of a line, at most.
        most: lines.
        title: what to show before it.
    """
    joined, begins = _joined(text)
    before = f"{columns.cut(title, room // 2)} | " if title else ""
    start = _start(joined, begins, query, room * most)
    laid = _laid(before, joined, start, room, most)
    for earlier in reversed([begin for begin in begins if begin < start]):
        # The end of a text leaves room for what comes before it.
        wider = _laid(before, joined, earlier, room, most)
        if wider[-1].endswith(_MORE):
            break
        laid = wider
    return laid


def _joined(text: str) -> tuple[str, list[int]]:
    """Return a text on one line, and where its sentences begin; what has no words, such as a rule, is left out."""
    parts: list[str] = []
    begins, length, end, gap = [], 0, 0, ""
    for found in (*_BREAK.finditer(text), None):
        piece = columns.plain(text[end : found.start() if found else len(text)])
        if any(map(str.isalnum, piece)):
            begins.append(length + len(gap))
            parts += [gap, piece]
            length += len(gap) + len(piece)
            gap = " " if found and found[0] else ""
        elif parts:
            gap = " "
        end = found.end() if found else end
    return ("".join(parts), begins) if parts else (columns.plain(text), [0])


def enough(room: int) -> int:
    """Return how many lines of so many columns are enough to judge a text by."""
    return -(-_COLUMNS // room)


def _laid(before: str, text: str, start: int, room: int, most: int) -> list[str]:
    """Return lines of a text from a place on."""
    # No character takes less than a quarter of a column on average; the whole text may be a megabyte.
    window = text[start : start + 4 * room * (most + 1)]
    found = columns.wrapped(f"{before}{'... ' if start else ''}{window}", room)
    if len(found) <= most:
        return found
    last = columns.wrapped(found[most - 1], room - len(_MORE))[0]
    return [*found[: most - 1], last + _MORE]


def _start(text: str, begins: Sequence[int], query: Terms, room: int) -> int:
    """Return where to begin."""
    words = [word for word in _words(text) if word.stem in query.worth]
    at = [word.begin for word in words]

    def worth(begin: int, end: int) -> float:
        """Return what the query's words between two places are worth, each once."""
        between = words[bisect_left(at, begin) : bisect_left(at, end)]
        return sum(query.worth[stem] for stem in {word.stem for word in between if word.end <= end})

    best, best_worth = 0, 0.0
    for begin, end in pairwise([*begins, len(text)]):
        inside = at[bisect_left(at, begin + room // 2) : bisect_left(at, end)] if end - begin > room else []
        for place in (begin, *_places(text, inside, room)):
            own = worth(place, min(end, place + room))
            if own and own + worth(place, place + room) > best_worth:
                best, best_worth = place, own + worth(place, place + room)
    return best


def _places(text: str, words: Sequence[int], room: int) -> Iterator[int]:
    """Yield where to begin in a long sentence: a little before a word of the query; of a crowd, its first."""
    last = 0
    for word in words:
        if word >= last + room // 4:
            last = word
            yield text.find(" ", word - room // 4, word) + 1 or word


def _words(text: str) -> Iterator[_Word]:
    for found in _WORD.finditer(text):
        begin, end = found.span()
        if end - begin > 1 and re.match(f"[{_UNSPACED}]", found[0]):
            for place in range(begin, end - 1):
                yield _Word(place, place + 2, _folded(text[place : place + 2]))
        else:
            yield _Word(begin, end, _stem(found[0]))


@lru_cache(maxsize=10_000)
def _stem(word: str) -> str:
    """Return what a word has in common with its other forms, roughly: read, reads, reading, reader."""
    folded = _folded(word)
    if not folded.isascii():
        return folded
    while ending := next((one for one in _ENDINGS if _is_ending(folded, one)), ""):
        folded = folded.removesuffix(ending) + _ENDINGS[ending]
    is_doubled = len(folded) > _LEAST_STEM and folded[-1] == folded[-2] and folded[-1].isalpha()
    return folded[:-1] if is_doubled else folded


def _is_ending(word: str, ending: str) -> bool:
    is_double_s = ending == "s" and word.endswith("ss")
    return word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM and not is_double_s


def _folded(word: str) -> str:
    """Return a word without what makes no difference: case, accents, and how it is composed."""
    return word.casefold() if word.isascii() else _ACCENTS.sub("", unicodedata.normalize("NFKD", word.casefold()))
