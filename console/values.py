"""A setting's value: from text (a flag, the environment), from TOML, and back to text for --help."""

import math
import re
import typing
from pathlib import Path
from typing import Any, Literal

_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

# A list of NAME=VALUE. Values may hold commas: a comma ends one only where the next name follows it.
PAIRS = tuple[tuple[str, str], ...]
_NEXT_PAIR = re.compile(r",(?=\s*\w+\s*=)")

_EXPECTED: dict[Any, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    PAIRS: "a list of NAME=VALUE",
}

_METAVARS: dict[Any, str] = {str: "TEXT", int: "N", float: "X", bool: "BOOL", Path: "PATH", PAIRS: "A=B,C=D"}


def parse(kind: Any, text: str) -> object:
    """Read a value of type `kind` out of text.

    Raises:
        ValueError: it is not one; the message is what it should be, to put behind "is not".
    """
    if kind == PAIRS:
        return _pairs(text)
    if typing.get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind is bool:
        truth = _TRUTHS.get(text.lower())
        if truth is None:
            raise ValueError(_expected(kind))
        return truth
    if kind is int or kind is float:
        try:
            return check(kind, kind(text))
        except ValueError:
            raise ValueError(_expected(kind)) from None
    return check(kind, text)


def check(kind: Any, value: object) -> object:
    """Return a value of TOML's types as one of type `kind`.

    Raises:
        ValueError: it is not one; the message is what it should be, to put behind "is not".
    """
    match value:
        case bool() if kind is bool:
            return value
        case bool():
            pass
        case int() if kind is int:
            return value
        case int() | float() if kind is float and math.isfinite(value):
            return float(value)
        case str() if kind is str or (typing.get_origin(kind) is Literal and value in typing.get_args(kind)):
            return value
        case str() if kind is Path and value:
            return Path(value)
        case list() | dict() if typing.get_origin(kind) is tuple:
            return _listed(kind, value)
    raise ValueError(_expected(kind))


def shown(value: object) -> str:
    """Return a default as one would write it; empty where there is nothing to write."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ",".join(part if isinstance(part, str) else "=".join(part) for part in value)
        case _:
            return str(value)


def metavar(kind: Any) -> str:
    """Return what --help calls a value of type `kind`."""
    if typing.get_origin(kind) is Literal:
        return f"{{{','.join(typing.get_args(kind))}}}"
    return _METAVARS.get(kind, "A,B")


def _expected(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return f"one of {', '.join(typing.get_args(kind))}"
    return _EXPECTED.get(kind, "a list of strings")


def _listed(kind: Any, value: "list[Any] | dict[str, Any]") -> object:
    """Return a TOML table as pairs, and a TOML array as strings."""
    if kind == PAIRS and isinstance(value, dict):
        return tuple((name, _plain(part)) for name, part in value.items())
    if kind != PAIRS and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError(_expected(kind))


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for part in filter(str.strip, _NEXT_PAIR.split(text)):
        name, sign, value = part.partition("=")
        if not sign or not name.strip():
            raise ValueError(_expected(PAIRS))
        if name.strip() in dict(found):
            raise ValueError(f"{_expected(PAIRS)} with each name once: {name.strip()!r} comes twice")
        found.append((name.strip(), value.strip()))
    return tuple(found)


def _plain(value: object) -> str:
    """Return a value of a TOML table as the text that stands for it elsewhere."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
    raise ValueError(_expected(PAIRS))
