"""Tables for people: columns two spaces apart, without rules, so that `cut` and `awk` read them too."""

import sys
from collections.abc import Callable, Sequence

from wcwidth import ljust, rjust, width

from . import columns

Last = Callable[[str, int], list[str]]
"""Makes lines of a table's last cell, for so many columns of the terminal."""

GAP = "  "


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: bool = False, least: int = 0) -> list[str]:
    """Return the line of the heads and one for each row, all equally wide.

    Args:
        heads: one a column.
        rows: cells, one a column.
        right: align cells at the right, as numbers are.
        least: columns of the terminal that each column takes at least.
    """
    widths = [max(least, *map(width, column)) for column in zip(heads, *rows, strict=True)]
    return [GAP.join(map(rjust if right else ljust, row, widths)) for row in (heads, *rows)]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out below their heads; the last column is text, and is cut where the terminal ends."""
    room = columns.terminal(otherwise=sys.maxsize)
    return "\n".join(line for lines in blocks(heads, rows, _one_line, room) for line in lines)


def blocks(
    heads: Sequence[str], rows: Sequence[Sequence[str]], last: Last, room: int | None = None
) -> list[list[str]]:
    """Return the lines of the heads and of each row.

    Args:
        heads: one a column.
        rows: cells, one a column.
        last: makes lines of a row's last cell, and takes the columns that it has.
        room: columns of the whole table; those of the terminal, if not given.
    """
    begun = grid(heads[:-1], [[columns.plain(cell) for cell in row[:-1]] for row in rows])
    used = width(begun[0]) + len(GAP)
    rest = max(columns.LEAST_TEXT, (room or columns.terminal()) - used)
    ends = [[heads[-1]], *(last(row[-1], rest) or [""] for row in rows)]
    return [
        [f"{begin}{GAP}{first}".rstrip(), *(f"{' ' * used}{line}" for line in others)]
        for begin, (first, *others) in zip(begun, ends, strict=True)
    ]


def number(value: float | None, digits: int) -> str:
    """Return a number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def _one_line(text: str, room: int) -> list[str]:
    return [columns.cut(columns.plain(text), room)]
