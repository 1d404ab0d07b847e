"""What commands print, and how: tables for people, JSON for scripts."""

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_LEAST_TEXT_CHARACTERS = 30
_GAP = "  "


class OutputError(Exception):
    """Report standard output that cannot be written: one line on standard error, exit code 1."""


def write(text: str) -> None:
    """Print on standard output, at once, so that what fails does so here and not when Python ends.

    Raises:
        OutputError: it cannot be written, as on a full disk.
        BrokenPipeError: nobody reads it any more.
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


def as_json(result: "DataclassInstance") -> str:
    """Return a result as one line of JSON, with its fields' names."""
    return json.dumps(dataclasses.asdict(result), default=_plain)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out below their heads; the last column is text and gets the rest of the terminal's width."""
    cells = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads[:-1], *(row[:-1] for row in cells), strict=True)]
    used = sum(widths) + len(_GAP) * len(widths)
    room = max(_LEAST_TEXT_CHARACTERS, shutil.get_terminal_size((120, 24)).columns - used)
    lines = [
        _GAP.join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), _cut(row[-1], room)])
        for row in ([*heads], *cells)
    ]
    return "\n".join(text.rstrip() for text in lines)


def number(value: float | None, digits: int) -> str:
    """Return a number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def _printable(text: str) -> str:
    """Return text on one line, without what could move a terminal's cursor."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 3]}..."


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
