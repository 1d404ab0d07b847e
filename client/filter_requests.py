"""Filters to the wire: dicts, and those that were built."""

import math
import numbers
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from shortlist.proto import retrieval_pb2 as pb

from . import arguments, errors
from .filters import AllOf, AnyOf, Condition, Filter, NotOf, Where

_BOUNDS = ("gt", "gte", "lt", "lte")
_OPERATORS = ("equals", "in", *_BOUNDS, "exists")  # of which a field has one at least
_LENIENT = "lenient"
# What other databases call joins, and how they are written here.
_ELSEWHERE = {
    "$and": '{"all_of": [...]}',
    "$or": '{"any_of": [...]}',
    "$nor": '{"not_of": {"any_of": [...]}}',
    "$not": '{"not_of": {...}}',
}
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_DEEPEST = 16  # as the server has it: Python itself would end far below


def where(given: Where | None) -> pb.Filter | None:
    """Convert a filter for the wire; None where there is none.

    Raises:
        InvalidRequest: it is no filter, or has a value that cannot be compared.
    """
    return None if given is None else _filter(given, "where", 1)


def _filter(given: object, field: str, level: int) -> pb.Filter:
    if level > _DEEPEST:
        limit = f"filters nest {_DEEPEST} levels deep at most"
        raise errors.invalid(field, f"level {level}", limit, "join filters of one kind into one list")
    match given:
        case AllOf() | AnyOf():
            kind: Any = type(given)
            found = [_filter(one, field, level + 1) for one in _flat(given.filters, kind)]
            return _all_of(found) if kind is AllOf else pb.Filter(any_of=pb.Filters(filters=found))
        case NotOf(inner):
            return pb.Filter(not_of=_filter(inner, field, level + 1))
        case Condition(path, tests):
            return _joined(_conditions(path, tests, f"{field}.{path}"))
        case Mapping() if given:
            return _joined([_entry(key, value, field, level) for key, value in given.items()])
        case _:
            remedy = 'pass a dict, such as {"year": {"gte": 2020}}, or build one with field()'
            raise errors.invalid(field, given, "it must be a filter that is not empty", remedy)


def _flat(filters: tuple[Filter, ...], kind: type[AllOf | AnyOf]) -> Iterator[Filter]:
    """Yield filters, and in place of those of the kind what they join: a & b & c is no deeper than a & b."""
    waiting = list(reversed(filters))
    while waiting:
        one = waiting.pop()
        if isinstance(one, kind):
            waiting += reversed(one.filters)
        else:
            yield one


def _entry(key: object, value: object, field: str, level: int) -> pb.Filter:
    """Convert an entry of a dict."""
    name = arguments.text(f"{field} key", key)
    place = f"{field}.{name}"
    match name:
        case "all_of" | "any_of":
            several = arguments.several(place, value, "filters")
            found = [_filter(one, f"{place}[{index}]", level + 1) for index, one in enumerate(several)]
            filters = pb.Filters(filters=found)
            return pb.Filter(all_of=filters) if name == "all_of" else pb.Filter(any_of=filters)
        case "not_of":
            return pb.Filter(not_of=_filter(value, place, level + 1))
        case _ if name in _ELSEWHERE:
            raise errors.invalid(field, name, "joins are all_of, any_of and not_of", f"write {_ELSEWHERE[name]}")
        case _ if isinstance(value, Mapping):
            return _joined(_conditions(name, value, place))
        case _:
            return _condition(name, equals=_value(value, place))


def _conditions(path: str, tests: Mapping[Any, Any], place: str) -> list[pb.Filter]:
    """Convert the tests of a field; bounds are one condition."""
    path = arguments.text("where", path)
    if unknown := [name for name in tests if name not in (*_OPERATORS, _LENIENT)]:
        limit = f"the tests of a field are {', '.join(_OPERATORS)}, beside {_LENIENT}"
        raise errors.invalid(
            place,
            unknown[0],
            limit,
            "use one of them, with not_of around it for the opposite; a field in an object is a.b",
        )
    if not any(name in tests for name in _OPERATORS):
        raise errors.invalid(place, tests, "it has no test", 'give one, such as {"gte": 2020}')
    lenient = arguments.flag(f"{place}.{_LENIENT}", tests.get(_LENIENT, False))
    found = []
    bounds = {name: _value(tests[name], f"{place}.{name}") for name in _BOUNDS if name in tests}
    for one, other in (("gt", "gte"), ("lt", "lte")):
        if one in bounds and other in bounds:
            raise errors.invalid(f"{place}.{one}", tests[one], f"there is {other} as well", "give one of them")
    if bounds:
        found.append(_condition(path, lenient=lenient, range=pb.Range(**bounds)))
    if "equals" in tests:
        found.append(_condition(path, lenient=lenient, equals=_value(tests["equals"], f"{place}.equals")))
    if "in" in tests:
        several = arguments.several(f"{place}.in", tests["in"], "values")
        values = [_value(one, f"{place}.in[{index}]") for index, one in enumerate(several)]
        found.append(_condition(path, lenient=lenient, one_of=pb.FilterValues(values=values)))
    if "exists" in tests:
        exists = arguments.flag(f"{place}.exists", tests["exists"])
        found.append(_condition(path, lenient=lenient, exists=exists))
    return found


def _condition(path: str, **test: Any) -> pb.Filter:
    return pb.Filter(condition=pb.Condition(path=path, **test))


def _joined(found: list[pb.Filter]) -> pb.Filter:
    return found[0] if len(found) == 1 else _all_of(found)


def _all_of(found: list[pb.Filter]) -> pb.Filter:
    return pb.Filter(all_of=pb.Filters(filters=found))


def _value(value: object, field: str) -> pb.FilterValue:
    match value:
        case bool():
            return pb.FilterValue(truth=value)
        case str():
            return pb.FilterValue(text=arguments.text(field, value))
        case datetime():
            if value.tzinfo is None:
                remedy = "give it one, such as tzinfo=datetime.UTC"
                raise errors.invalid(field, value, "a time without a time zone is none", remedy)
            return _time(value)
        case date():
            return _time(datetime.combine(value, time(), UTC))
        case numbers.Real():
            return _number(value, field)
        case list() | tuple() | set() | frozenset():
            raise errors.invalid(field, value, "a field is compared with one value", 'write {"in": [...]}')
        case _:
            limit = f"{type(value).__name__} is nothing that fields are compared with"
            raise errors.invalid(field, value, limit, "use str, int, float, bool, date or datetime")


def _number(value: numbers.Real, field: str) -> pb.FilterValue:
    if isinstance(value, numbers.Integral):  # numpy's too
        if not _SMALLEST <= int(value) <= _LARGEST:
            raise errors.invalid(field, value, "whole numbers have 64 bits", "compare with a float")
        return pb.FilterValue(integer=int(value))
    if not math.isfinite(value):
        raise errors.invalid(field, value, "numbers must be finite", "leave it out, or use exists")
    return pb.FilterValue(number=float(value))


def _time(value: datetime) -> pb.FilterValue:
    stamp = Timestamp()
    stamp.FromDatetime(value.astimezone(UTC))
    return pb.FilterValue(time=stamp)
