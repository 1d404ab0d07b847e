"""A setting's value: from text (a flag, the environment), from TOML, and back to text for --help."""

import math
import typing
from pathlib import Path
from typing import Any, Literal

_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

_EXPECTED: dict[Any, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}

_METAVARS: dict[Any, str] = {str: "TEXT", int: "N", float: "X", bool: "BOOL", Path: "PATH"}


def parse(kind: Any, text: str) -> object:
    """Read a value of type `kind` out of text.

    Raises:
        ValueError: it is not one; the message is what it should be, to put behind "is not".
    """
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
        case list() if typing.get_origin(kind) is tuple and all(isinstance(part, str) for part in value):
            return tuple(value)
    raise ValueError(_expected(kind))


def shown(value: object) -> str:
    """Return a default as one would write it; empty where there is nothing to write."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


def metavar(kind: Any) -> str:
    """Return what --help calls a value of type `kind`."""
    if typing.get_origin(kind) is Literal:
        return f"{{{','.join(typing.get_args(kind))}}}"
    if typing.get_origin(kind) is tuple:
        return "A,B"
    return _METAVARS[kind]


def _expected(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return f"one of {', '.join(typing.get_args(kind))}"
    if typing.get_origin(kind) is tuple:
        return "a list of strings"
    return _EXPECTED[kind]
