"""Haystack's filters to Shortlist's, with Haystack's meaning, which is that of `haystack.utils.filters`.

A missing field is None: nothing is equal to it or in order with it but None itself, and what `!=`, `not in` or `NOT`
turn round includes the documents that lack the field. So conditions are lenient: a field that no document has is no
error. Where Shortlist's filters cannot say something, it is a FilterError by name; the README lists it.
"""

import numbers
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from functools import reduce
from operator import and_, ge, gt, le, lt, or_
from typing import Any, NoReturn

from haystack import Document
from haystack.errors import FilterError

from shortlist.client import Filter, InvalidRequest, field

_ORDERS = {">": gt, ">=": ge, "<": lt, "<=": le}
_COMPARISONS = ("==", "!=", *_ORDERS, "in", "not in")
_LOGIC = ("AND", "OR", "NOT")
_META = "meta."
_FIELDS = {one.name for one in fields(Document)}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

_ANY = field("-", lenient=True)
NOTHING = _ANY.exists() & ~_ANY.exists()
EVERYTHING = ~NOTHING


def where(filters: dict[str, Any] | None) -> Filter | None:
    """Convert a filter; None where it is empty, and so matches everything.

    Raises:
        FilterError: it is malformed, or says what Shortlist's filters cannot.
    """
    return _filter(filters) if filters else None


def whole(filters: dict[str, Any]) -> Filter:
    """Convert a filter for a call that needs one, also where it is empty.

    Raises:
        FilterError: it is malformed, or says what Shortlist's filters cannot.
    """
    return _filter(filters) if filters else EVERYTHING


@contextmanager
def refusals() -> Iterator[None]:
    """Raise what the server, or its client, refuses of a filter as Haystack's error."""
    try:
        yield
    except InvalidRequest as error:
        if error.field.split(".")[0] == "where":
            raise FilterError(str(error)) from error
        raise


def _filter(given: object) -> Filter:
    if not isinstance(given, dict):
        raise FilterError(f"a filter must be a dict, but got {given!r}")
    return _comparison(given) if "field" in given else _logic(given)


def _logic(given: dict[str, Any]) -> Filter:
    operator, conditions = _of(given, "operator"), _of(given, "conditions")
    if operator not in _LOGIC:
        raise FilterError(f"unknown logical operator {operator!r}: use one of {', '.join(_LOGIC)}")
    if not isinstance(conditions, list):
        raise FilterError(f"'conditions' must be a list, but got {conditions!r}")
    found = [_filter(one) for one in conditions]
    if operator == "OR":
        return reduce(or_, found) if found else NOTHING
    joined = reduce(and_, found) if found else EVERYTHING
    return ~joined if operator == "NOT" else joined


def _comparison(given: dict[str, Any]) -> Filter:
    name, operator, value = _of(given, "field"), _of(given, "operator"), _of(given, "value")
    path = _path(name)
    if operator not in _COMPARISONS:
        raise FilterError(f"unknown comparison operator {operator!r}: use one of {', '.join(_COMPARISONS)}")
    if operator in _ORDERS:
        return _ordered(path, operator, value)
    if operator in {"in", "not in"}:
        if not isinstance(value, list):
            _refuse(name, value, f"the operator {operator!r} needs a list")
        found = _among(path, value)
    else:
        found = _among(path, [value])
    return ~found if operator in {"!=", "not in"} else found


def _of(given: dict[str, Any], key: str) -> Any:
    if key not in given:
        raise FilterError(f"'{key}' key missing in {given}")
    return given[key]


def _path(name: object) -> str:
    """Return the field of the metadata that Haystack means: `meta.a.b`, or `a` alone as older filters have it."""
    if not isinstance(name, str):
        raise FilterError(f"'field' must be a string, but got {name!r}")
    if name.startswith(_META):
        return name.removeprefix(_META)
    if name in _FIELDS or "." in name:
        raise FilterError(f"field {name!r}: Shortlist filters documents by their metadata alone; write meta.NAME")
    return name


def _among(path: str, values: list[Any]) -> Filter:
    """Return the filter that a field is equal to one of some values; a condition compares with one type."""
    test, kinds = field(path, lenient=True), dict[type, list[Any]]()
    found = [~test.exists()] if None in values else []
    for value in values:
        match value:
            case None:
                pass
            case bool() | str() | datetime():
                kinds.setdefault(type(value), []).append(_in_utc(value) if isinstance(value, datetime) else value)
                if isinstance(value, str) and (time := _time(value)):
                    kinds.setdefault(datetime, []).append(time)
            case numbers.Real():
                kinds.setdefault(float, []).append(value)
            case _:
                _refuse(path, value, "Shortlist compares fields with text, numbers, True, False, dates and None")
    found += [test.is_in(several) for several in kinds.values()]
    return reduce(or_, found) if found else NOTHING


def _ordered(path: str, operator: str, value: object) -> Filter:
    """Return the filter that a field is in order with a value; nothing is with None."""
    bound: Any = value
    match value:
        case None:
            return NOTHING
        case str():
            bound = _time(value)
            if bound is None:
                _refuse(path, value, f"the operator {operator!r} compares strings only if they are ISO 8601 dates")
        case datetime():
            bound = _in_utc(value)
        case bool():
            _refuse(path, value, "True and False have no order in Shortlist")
        case numbers.Real():
            pass
        case _:
            _refuse(path, value, f"the operator {operator!r} compares numbers and dates")
    compared: Filter = _ORDERS[operator](field(path, lenient=True), bound)
    return compared


def _time(text: str) -> datetime | None:
    """Return the time that a string is, in ISO 8601's extended form, which is the one that documents' times have."""
    try:
        return _in_utc(datetime.fromisoformat(text)) if _DATE.match(text) else None
    except ValueError:
        return None


def _in_utc(time: datetime) -> datetime:
    """Return a time with an offset: without one it is UTC, as it is in documents."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _refuse(name: str, value: object, limit: str) -> NoReturn:
    raise FilterError(f"field {name!r}: got {value!r}, but {limit}")
