"""A setting's value: out of text, and back to text for --help.

Where cyclopts takes more than can be meant, this takes less: numbers are whole or finite, paths are not empty, and of
two values for one name neither is dropped.
"""

import math
import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cyclopts
from cyclopts import CoercionError, Token
from cyclopts.utils import UNSET

# Values of a list of NAME=VALUE may hold commas: one ends a value only where the next name follows it.
_NEXT_PAIR = re.compile(r",(?=\s*[\w/-]+\s*=)")


def read(kind: Any, tokens: Sequence[Token] | Mapping[str, Sequence[Token]]) -> object:
    """Read a value of type `kind` out of what was given for it."""
    if isinstance(tokens, Mapping):
        return {name: _plain(_item(kind), given) for name, given in tokens.items()}
    if typing.get_origin(kind) is dict:
        return _pairs(kind, tokens)
    if typing.get_origin(kind) is tuple:
        parts = [one.evolve(value=part.strip()) for one in tokens for part in one.value.split(",") if part.strip()]
        return tuple(read(_item(kind), [part]) for part in parts)
    value = cyclopts.convert(kind, tokens)
    text = tokens[0].value
    is_loose = (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, Path) and not text)
    if is_loose or (isinstance(value, int) and "." in text):
        raise CoercionError(token=tokens[0], target_type=kind)
    return value


def _plain(kind: Any, tokens: Sequence[Token] | Mapping[str, Any]) -> object:
    """Read what stands for one name in a TOML table, where true is the text that it is elsewhere."""
    is_table = isinstance(tokens, Mapping)
    while isinstance(tokens, Mapping):
        tokens = next(iter(tokens.values()))
    token, *others = tokens
    if is_table or others or token.implicit_value is not UNSET:
        raise CoercionError(token=token, target_type=kind)
    return read(kind, [token.evolve(value=token.value.lower()) if token.value in {"True", "False"} else token])


def _pairs(kind: Any, tokens: Sequence[Token]) -> dict[str, object]:
    """Read a list of NAME=VALUE."""
    found: dict[str, object] = {}
    for token in tokens:
        for part in filter(str.strip, _NEXT_PAIR.split(token.value)):
            name, sign, value = map(str.strip, part.partition("="))
            if not sign or not name or name in found:
                fault = "comes twice" if name in found else "is not NAME=VALUE"
                raise CoercionError(f"{part.strip()!r} {fault}.", token=token)
            found[name] = read(_item(kind), [token.evolve(value=value)])
    return found


def _item(kind: Any) -> Any:
    """Return the type of what is in a tuple or a dict."""
    return typing.get_args(kind)[-1 if typing.get_origin(kind) is dict else 0]


def shown(value: object) -> str | None:
    """Return a default as one would write it; nothing where it says nothing."""
    if value in (None, "", (), {}):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
