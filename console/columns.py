"""Texts cut, wrapped and padded by the columns of a terminal, which `wcwidth` counts.

East Asian characters and emoji take two columns, marks that sit on another character none.
"""

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator

from wcwidth import clip, iter_graphemes, width

LEAST_TEXT = 30  # columns that a text gets, however narrow the terminal
_JOINERS = ("\u200c", "\u200d")  # between letters in some scripts, between emoji that are drawn as one
_MORE = "..."
_WIDE = 2


def terminal(otherwise: int = 120) -> int:
    """Return the terminal's width; without one, what most windows have."""
    return shutil.get_terminal_size((otherwise, 24)).columns


def filled(notes: Iterable[str]) -> list[str]:
    """Return notes as lines, the long ones wrapped at the terminal's width."""
    room = max(LEAST_TEXT, terminal(otherwise=sys.maxsize))
    return [line for note in notes for line in wrapped(note, room)]


def plain(text: str) -> str:
    """Return text on one line, without what could move a terminal's cursor or change its direction of writing."""
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """Return a line without what could move a terminal's cursor or change its direction of writing."""
    return text if text.isprintable() else "".join(map(_shown, text))


def cut(text: str, columns: int) -> str:
    """Return a text that takes so many columns at most, with "..." in place of what does not fit."""
    return text if width(text) <= columns else clip(text, 0, columns - len(_MORE), fillchar="") + _MORE


def wrapped(text: str, columns: int) -> list[str]:
    """Return the lines of a text that take so many columns at most.

    They end between words, or where there are none: inside of a run of wide characters, or of one that is too long.
    (`wcwidth.wrap` takes time with the square of such a run's length: 4 s for 16,000 characters.)
    """
    lines, line, used = [], "", 0
    for piece, taken, spaced in _pieces(text, columns):
        gap = 1 if spaced and line else 0
        if line and used + gap + taken > columns:
            lines.append(line)
            line, used, gap = "", 0, 0
        line += " " * gap + piece
        used += gap + taken
    return [*lines, line] if line else lines


def _pieces(text: str, columns: int) -> Iterator[tuple[str, int, bool]]:
    """Yield what no line ends in, its columns, and whether there was a space before it."""
    for word in text.split():
        if word.isascii() and len(word) <= columns:
            yield word, len(word), True
            continue
        drawn = [(one, width(one)) for one in iter_graphemes(word)]
        taken = sum(one for _, one in drawn)
        if taken <= columns and all(one < _WIDE for _, one in drawn):
            yield word, taken, True
            continue
        for place, (one, own) in enumerate(drawn):
            yield one, own, place == 0


def _shown(one: str) -> str:
    if one.isprintable() or one in _JOINERS:
        return one
    return "" if unicodedata.category(one) == "Cf" else " "
