"""Standard output: what cannot be written to it, and results as JSON."""

import dataclasses
import json
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


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


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
