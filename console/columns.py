"""How many columns of a terminal a text takes, and texts cut, padded and wrapped by them.

East Asian characters and emoji take two columns, marks that sit on another character none, as Unicode's annex 11 and
`wcwidth` have it. The base install has no `wcwidth`; Python's own tables say what is needed here, and the tests hold
this module against it. Terminals that draw a joined emoji as its parts take more for it than is said here. In the
scripts of India each letter counts, also where two are drawn as one.
"""

import unicodedata
from collections.abc import Iterator

_JOINER = "\u200d"  # between emoji that are drawn as one; in some scripts between letters
_JOINERS = ("\u200c", _JOINER)
_AS_EMOJI = "\ufe0f"  # what is before it is drawn as an emoji, though it also is a narrow character
_MORE = "..."


def width(text: str) -> int:
    """Return how many columns a text takes."""
    return len(text) if text.isascii() else sum(columns for _, columns in _clusters(text))


def plain(text: str) -> str:
    """Return text on one line, without what could move a terminal's cursor or change its direction of writing."""
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """Return a line without what could move a terminal's cursor or change its direction of writing."""
    return text if text.isprintable() else "".join(map(_shown, text))


def padded(text: str, columns: int) -> str:
    """Return a text with spaces behind it, up to so many columns."""
    return text + " " * (columns - width(text))


def cut(text: str, columns: int) -> str:
    """Return a text that takes so many columns at most, with "..." in place of what does not fit."""
    if width(text) <= columns:
        return text
    kept, used = [], width(_MORE)
    for cluster, taken in _clusters(text):
        used += taken
        if used > columns:
            break
        kept.append(cluster)
    return "".join(kept) + _MORE


def wrapped(text: str, columns: int) -> list[str]:
    """Return the lines of a text that take so many columns at most.

    They end between words, or where there are none: inside of a run of wide characters, or of one that is too long.
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
        taken = width(word)
        if taken <= columns and (word.isascii() or all(one < 2 for _, one in _clusters(word))):  # noqa: PLR2004 (wide)
            yield word, taken, True
            continue
        for place, (cluster, one) in enumerate(_clusters(word)):
            yield cluster, one, place == 0


def _clusters(text: str) -> Iterator[tuple[str, int]]:
    """Yield the characters that a terminal draws as one, and the columns that they take."""
    cluster, columns = "", 0
    for one in text:
        if cluster and _continues(cluster, columns, one):
            cluster += one
            columns = 2 if one == _AS_EMOJI else columns + (unicodedata.category(one) == "Mc")
            continue
        if cluster:
            yield cluster, columns
        cluster, columns = one, _columns(one)
    if cluster:
        yield cluster, columns


def _continues(cluster: str, columns: int, one: str) -> bool:
    """Return whether a character is drawn with those before it."""
    if _columns(one) == 0 or unicodedata.category(one) == "Mc" or _is_skin(one):
        return True
    is_emoji = columns == 2  # noqa: PLR2004 (wide)
    return (is_emoji and cluster[-1] == _JOINER) or (len(cluster) == 1 and _is_flag(cluster) and _is_flag(one))


def _columns(one: str) -> int:
    if one.isascii():
        return 1
    is_vowel_or_final = (
        "\u1160" <= one <= "\u11ff" or "\ud7b0" <= one <= "\ud7fb"
    )  # of Hangul: in the syllable's block
    if is_vowel_or_final or unicodedata.category(one) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if _is_flag(one) or unicodedata.east_asian_width(one) in "WF" else 1


def _is_flag(one: str) -> bool:
    """Return whether it is half of a flag."""
    return "\U0001f1e6" <= one <= "\U0001f1ff"


def _is_skin(one: str) -> bool:
    """Return whether it colours the skin of the emoji before it."""
    return "\U0001f3fb" <= one <= "\U0001f3ff"


def _shown(one: str) -> str:
    if one.isprintable() or one in _JOINERS:
        return one
    return "" if unicodedata.category(one) == "Cf" else " "
