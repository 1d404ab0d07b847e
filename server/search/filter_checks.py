"""Every rule on a filter, in one place: refused with field, value, limit and remedy before anything runs.

`size` is held to while a filter is read (`rpc/filters.py`), since one may be far larger than it is allowed to be.
"""

import math

from shortlist.server.errors import InvalidRequest, TooLarge, shown
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.filters import (
    MAX_COMPARED_BYTES,
    TICK_NS,
    AllOf,
    AnyOf,
    Between,
    Condition,
    Exists,
    Filter,
    From,
    Kind,
    NotOf,
    OneOf,
    Value,
    conditions,
)

from .limits import MAX_FILTER_LEVELS, MAX_FILTER_TERMS, MAX_METADATA_LEVELS, MAX_PATH_BYTES

_SHOWN_PATHS = 10
_KINDS: dict[Kind, str] = {
    "text": "text",
    "number": "a number",
    "truth": "true or false",
    "time": "a time",
    "long": f"text of more than {MAX_COMPARED_BYTES:,} bytes, found by exists alone",
}


def size(field: str, terms: int, level: int) -> None:
    """Check how large a filter is, as far as it was read."""
    if terms > MAX_FILTER_TERMS:
        limit = f"a filter has {MAX_FILTER_TERMS:,} terms at most, which are conditions and the values behind one_of"
        raise TooLarge(field, f"more than {MAX_FILTER_TERMS:,} terms", limit, "ask in several calls")
    if level > MAX_FILTER_LEVELS:
        limit = f"filters nest {MAX_FILTER_LEVELS} levels deep at most"
        raise InvalidRequest(field, f"level {level}", limit, "join filters of one kind into one list")


def where(given: Filter, field: str = "where") -> None:
    """Check what can be told of a filter without a collection."""
    match given:
        case AllOf(filters) | AnyOf(filters):
            name = f"{field}.{'all_of' if isinstance(given, AllOf) else 'any_of'}.filters"
            if not filters:
                raise InvalidRequest(name, [], "at least one is needed", "name one, or leave the filter out")
            for index, inner in enumerate(filters):
                where(inner, f"{name}[{index}]")
        case NotOf(inner):
            where(inner, f"{field}.not_of")
        case Condition():
            _condition(f"{field}.condition", given)
        case From():
            pass


def known(collection: Collection, given: Filter) -> None:
    """Check that a collection has the fields of a filter, with values of its types; it blocks.

    A collection without documents has no fields, and takes every filter.
    """
    if not len(collection):
        return
    kinds = collection.among.kinds(condition.path for _, condition in conditions(given, ""))
    for field, condition in conditions(given, "where"):
        if condition.path not in kinds:
            if condition.lenient:
                continue
            paths = collection.among.paths(_SHOWN_PATHS + 1)
            there = ", ".join(map(shown, paths[:_SHOWN_PATHS])) or "none"
            there += ", ..." if len(paths) > _SHOWN_PATHS else ""
            limit = f"no document of collection {shown(collection.name)} has such a field (there are: {there})"
            raise InvalidRequest(f"{field}.path", condition.path, limit, "name one of them")
        if isinstance(condition.test, Exists) or (condition.lenient and isinstance(condition.test, OneOf)):
            continue  # unlike an order, it is defined between types: nothing is equal to what is of another
        for name, value in _values(field, condition.test):
            _kind(name, value, condition.path, kinds[condition.path])


def _condition(field: str, condition: Condition) -> None:
    path, levels = condition.path, condition.path.count(".") + 1
    if not path:
        raise InvalidRequest(f"{field}.path", path, "it must name a field", "give the key that the metadata has")
    if len(path.encode()) > MAX_PATH_BYTES:
        raise InvalidRequest(f"{field}.path", path, f"the limit is {MAX_PATH_BYTES:,} bytes", "use shorter keys")
    if levels > MAX_METADATA_LEVELS:
        limit = f"metadata nests {MAX_METADATA_LEVELS} levels deep at most"
        raise InvalidRequest(f"{field}.path", f"{levels} keys", limit, "name a field that is not so deep")
    if isinstance(condition.test, Exists):
        return
    values = list(_values(field, condition.test))
    if not values:
        name = f"{field}.{'range' if isinstance(condition.test, Between) else 'one_of'}"
        raise InvalidRequest(name, [], "at least one value is needed", "give one, or ask whether the field exists")
    for name, value in values:
        _value(name, value)
        if value.kind != values[0][1].kind:
            limit = f"{values[0][0]} is {_KINDS[values[0][1].kind]}, and a condition compares with one type"
            raise InvalidRequest(name, value.value, limit, "join two conditions by any_of")
        if value.kind == "truth" and isinstance(condition.test, Between):
            raise InvalidRequest(name, bool(value.value), "true and false have no order", "use equals")


def _values(field: str, test: OneOf | Between) -> list[tuple[str, Value]]:
    """Return the values of a test, each beside its place in the request."""
    if isinstance(test, OneOf):
        if len(test.values) == 1:
            return [(f"{field}.equals", test.values[0])]
        return [(f"{field}.one_of.values[{index}]", value) for index, value in enumerate(test.values)]
    low, high = "gte" if test.with_low else "gt", "lte" if test.with_high else "lt"
    bounds = ((low, test.low), (high, test.high))
    return [(f"{field}.range.{name}", value) for name, value in bounds if value is not None]


def _value(field: str, value: Value) -> None:
    match value.value:
        case str() as text if len(text.encode()) > MAX_COMPARED_BYTES:
            limit = f"strings of more than {MAX_COMPARED_BYTES:,} bytes are not compared"
            raise InvalidRequest(field, text, limit, "keep a short name or a hash of it in the metadata")
        case float() as number if not math.isfinite(number):
            raise InvalidRequest(field, number, "metadata has finite numbers only", "use exists, or another number")
        case int() as time if value.kind == "time" and time % TICK_NS:
            raise InvalidRequest(field, f"{time} ns", "times are kept to the microsecond", "round it to one")


def _kind(field: str, value: Value, path: str, there: set[Kind]) -> None:
    if value.kind in there:
        return
    if not there:
        limit, remedy = f"field {shown(path)} is an object", "name a field in it by its path, as in author.name"
    else:
        holds = " and ".join(_KINDS[kind] for kind in sorted(there))
        limit, remedy = f"field {shown(path)} holds {holds}", "compare it with a value of that type"
    raise InvalidRequest(field, _plain(value), f"it is {_KINDS[value.kind]}, and {limit}", remedy)


def _plain(value: Value) -> object:
    return bool(value.value) if value.kind == "truth" else value.value
