"""What commands print, and how: tables for people, JSON for scripts."""

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from . import columns

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Last = Callable[[str, int], list[str]]
"""Makes lines of a table's last cell, for so many columns of the terminal."""

LEAST_TEXT_COLUMNS = 30
_GAP = "  "


class OutputError(Exception):
    """Standard output that cannot be written: one line on standard error, exit code 1."""


def write(text: str) -> None:
    """Print on standard output, at once, so that what fails does so here and not when Python ends.

    Raises:
        OutputError: it cannot be written, as on a full disk.
        BrokenPipeError: the reader has gone.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard()
        raise OutputError(f"standard output cannot be written: {error.strerror}") from None


def discard() -> None:
    """Drop what could not be written: it is still buffered, and Python would try again when it ends, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 slot, 2 slots."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def as_json(result: "DataclassInstance") -> str:
    """Return a result as one line of JSON, with its fields' names."""
    return json.dumps(dataclasses.asdict(result), default=_plain)


def terminal_columns() -> int:
    """Return the terminal's width; without one, what most windows have."""
    return shutil.get_terminal_size((120, 24)).columns


def filled(notes: Iterable[str]) -> list[str]:
    """Return notes as lines, the long ones wrapped at the terminal's width."""
    room = max(LEAST_TEXT_COLUMNS, terminal_columns())
    return [line for note in notes for line in columns.wrapped(note, room)]


def one_line(text: str, room: int) -> list[str]:
    """Return what one line has room for."""
    return [columns.cut(columns.plain(text), room)]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], last: Last = one_line) -> str:
    """Lay rows out below their heads; the last column is text and gets the rest of the terminal's width."""
    return "\n".join(line for lines in blocks(heads, rows, last) for line in lines)


def blocks(heads: Sequence[str], rows: Sequence[Sequence[str]], last: Last = one_line) -> list[list[str]]:
    """Return the lines of the heads and of each row.

    Args:
        heads: one a column.
        rows: cells, one a column.
        last: makes lines of a row's last cell, and takes the columns of the terminal that it has.
    """
    cells = [[columns.plain(cell) for cell in row[:-1]] for row in rows]
    widths = [max(map(columns.width, column)) for column in zip(heads[:-1], *cells, strict=True)]
    used = sum(widths) + len(_GAP) * len(widths)
    room = max(LEAST_TEXT_COLUMNS, terminal_columns() - used)
    laid = [([*heads[:-1]], [heads[-1]])]
    laid += [(row, last(whole[-1], room)) for row, whole in zip(cells, rows, strict=True)]
    found = []
    for row, lines in laid:
        before = "".join(columns.padded(cell, width) + _GAP for cell, width in zip(row, widths, strict=True))
        first, *others = lines or [""]
        found.append([f"{before}{first}".rstrip(), *(f"{' ' * used}{line}" for line in others)])
    return found


def number(value: float | None, digits: int) -> str:
    """Return a number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
