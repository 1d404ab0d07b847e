"""LlamaIndex's filters to Shortlist's, with the meaning of `llama_index.core.vector_stores.utils`.

A node that lacks a field meets `!=` and `nin` of it and nothing else. So conditions are lenient: a field that no node
has is no error. Where Shortlist's filters cannot say something, it is a ValueError by name; the README lists it.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_, ge, gt, le, lt, or_
from typing import Any, NoReturn

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from shortlist.client import Filter, field

_ANY = field("-", lenient=True)
NOTHING = _ANY.exists() & ~_ANY.exists()
EVERYTHING = ~NOTHING

_Test = Callable[[MetadataFilter], Filter]


def where(filters: MetadataFilters | None) -> Filter | None:
    """Convert filters; None where there are none, which matches everything.

    Raises:
        ValueError: they say what Shortlist's filters cannot.
    """
    return _joined(filters) if filters is not None and filters.filters else None


def among(path: str, values: Sequence[str]) -> Filter:
    """Return the filter that a field has one of some values."""
    return field(path, lenient=True).is_in(values) if values else NOTHING


def both(*given: Filter | None) -> Filter | None:
    """Return what all of the given filters match, of which None matches everything."""
    there = [one for one in given if one is not None]
    return reduce(and_, there) if there else None


def _joined(filters: MetadataFilters) -> Filter:
    found = [_filter(one) for one in filters.filters]
    if not found:
        return EVERYTHING
    match filters.condition:
        case FilterCondition.OR:
            return reduce(or_, found)
        case FilterCondition.NOT:
            return ~reduce(or_, found)
        case _:
            return reduce(and_, found)


def _filter(given: MetadataFilter | MetadataFilters) -> Filter:
    if isinstance(given, MetadataFilters):
        return _joined(given)
    if given.operator not in _TESTS:
        _refuse(given, "Shortlist searches no text within metadata; use ==, or query_mode text_search")
    return _TESTS[given.operator](given)


def _equal(given: MetadataFilter) -> Filter:
    return field(given.key, lenient=True) == _one(given)  # type: ignore[no-any-return]  # a filter, as mypy has bool


def _one_of(given: MetadataFilter) -> Filter:
    return among(given.key, _several(given))


def _all(given: MetadataFilter) -> Filter:
    test = field(given.key, lenient=True)
    return reduce(and_, [test == value for value in _several(given)], test.exists())


def _is_empty(given: MetadataFilter) -> Filter:
    test = field(given.key, lenient=True)
    return ~test.exists() | (test == "")


def _ordered(order: Callable[[Any, Any], Filter]) -> _Test:
    return lambda given: order(field(given.key, lenient=True), _one(given))


def _not(test: _Test) -> _Test:
    return lambda given: ~test(given)


_TESTS: dict[FilterOperator, _Test] = {
    FilterOperator.EQ: _equal,
    FilterOperator.NE: _not(_equal),
    FilterOperator.GT: _ordered(gt),
    FilterOperator.GTE: _ordered(ge),
    FilterOperator.LT: _ordered(lt),
    FilterOperator.LTE: _ordered(le),
    FilterOperator.IN: _one_of,
    FilterOperator.NIN: _not(_one_of),
    FilterOperator.ANY: _one_of,
    FilterOperator.ALL: _all,
    FilterOperator.CONTAINS: _equal,
    FilterOperator.IS_EMPTY: _is_empty,
}


def _one(given: MetadataFilter) -> Any:
    if given.value is None or isinstance(given.value, list):
        _refuse(given, "it compares with one value; use is_empty for none, and in, any or all for several")
    return given.value


def _several(given: MetadataFilter) -> list[Any]:
    if not isinstance(given.value, list):
        _refuse(given, "it compares with several values; pass a list")
    return given.value


def _refuse(given: MetadataFilter, limit: str) -> NoReturn:
    raise ValueError(f"filter {given.key!r} {given.operator.value} {given.value!r}: {limit}")
