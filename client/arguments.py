"""What callers pass, as the types that a request can hold: numpy's numbers are numbers, and a string is no list.

Every function takes the argument's name for the error, and raises InvalidRequest where a value is of no use. Limits
that are the server's own are left to it.
"""

import contextlib
import math
import operator
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

from . import errors

_Name = TypeVar("_Name")
_Number = TypeVar("_Number", bound=int)

_MOST_COUNT = 2**32 - 1  # protobuf's uint32


def text(field: str, value: object) -> str:
    """Return a string that UTF-8 can hold."""
    if not isinstance(value, str):
        is_bytes = isinstance(value, bytes | bytearray)
        remedy = "decode it first" if is_bytes else "convert it with str()"
        raise errors.invalid(field, value, "it must be a string", remedy)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            lone = value[error.start]
            limit = f"character {error.start} is half of a surrogate pair"
            raise errors.invalid(field, lone, limit, "decode the text again, or drop it") from None
    return value


def texts(field: str, values: object) -> list[str]:
    """Return several strings, in their order."""
    return [text(f"{field}[{place}]", value) for place, value in enumerate(several(field, values, "strings"))]


def several(field: str, values: object, what: str) -> Iterator[Any]:
    """Return what goes through several values; of strings, bytes and dicts, that was never meant."""
    if not isinstance(values, str | bytes | bytearray | Mapping):
        with contextlib.suppress(TypeError):
            return iter(values)  # type: ignore[call-overload, no-any-return] # what cannot be gone through raises
    raise errors.invalid(field, values, f"it must be several {what}", "pass a list")


def count(field: str, value: object) -> int | None:
    """Return a whole number, 0 or more, of any type that is one; None where there is none."""
    if value is None:
        return None
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type] # else it raises
    except TypeError:
        number = -1
    if number < 0:
        raise errors.invalid(field, value, "it must be a whole number, 0 or more", "leave it out for the default")
    if number > _MOST_COUNT:
        raise errors.invalid(field, value, f"a request holds {_MOST_COUNT:,} at most", "ask for fewer")
    return number


def number_if_any(field: str, value: object) -> float | None:
    """Return a number of any type that is one; None where there is none."""
    return None if value is None else number(field, value)


def number(field: str, value: object) -> float:
    """Return a number of any type that is one; it may be infinite."""
    try:
        found = math.nan if isinstance(value, bool | str | bytes | bytearray) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if math.isnan(found):
        raise errors.invalid(field, value, "it must be a number", "pass a float or an int")
    return found


def vector(field: str, values: object) -> "array[float]":
    """Return numbers as the wire has them, 32-bit floats; numpy's arrays are taken as they are."""
    try:
        if isinstance(values, str | bytes | bytearray | Mapping):
            raise TypeError
        return array("f", cast("Iterable[float]", values))  # what holds no numbers raises
    except (TypeError, ValueError, OverflowError):
        raise errors.invalid(field, values, "it must be several numbers", "pass a list of floats") from None


def flag(field: str, value: object) -> bool:
    """Return a truth value, Python's or numpy's."""
    if isinstance(value, bool) or (type(value).__name__, type(value).__module__) == ("bool", "numpy"):
        return bool(value)
    raise errors.invalid(field, value, "it must be True or False", "pass one of them")


def choice_if_any(field: str, name: _Name | None, numbers: Mapping[_Name, _Number]) -> _Number:
    """Return the number that stands for a name; where there is none 0, by which every enum says so."""
    return cast("_Number", 0) if name is None else choice(field, name, numbers)


def choice(field: str, name: _Name, numbers: Mapping[_Name, _Number]) -> _Number:
    """Return the number that stands for a name."""
    if not isinstance(name, str) or name not in numbers:
        allowed = ", ".join(repr(known) for known in numbers)
        raise errors.invalid(field, name, f"it must be one of {allowed}", "choose one of them")
    return numbers[name]
