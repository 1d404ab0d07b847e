"""Colours of a terminal: whether there are any, and the words of a query in one of them."""

import os
from collections.abc import Iterable, Mapping
from typing import TextIO

_BOLD, _MATCH, _END = "\x1b[1m", "\x1b[1;31m", "\x1b[0m"


def wanted(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether what is written to a stream should have colours.

    The order is that of Python's own tracebacks: NO_COLOR (https://no-color.org) before FORCE_COLOR
    (https://force-color.org), both unless they are empty, before TERM=dumb, before whether it is a terminal.
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return environment.get("TERM") != "dumb" and stream.isatty()


def bold(text: str) -> str:
    """Return a text that stands out."""
    return f"{_BOLD}{text}{_END}" if text else ""


def marked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text in which the parts between two places each, in order, have the colour of grep's matches."""
    parts, end = [], 0
    for begin, following in spans:
        parts += [text[end:begin], _MATCH, text[begin:following], _END]
        end = following
    return "".join([*parts, text[end:]])
