"""Conditions on documents' metadata, in Python: what `where=` of the calls takes.

As a dict, whose entries all have to match:

    {"year": {"gte": 2020}, "lang": {"in": ["de", "en"]}, "author.name": "Lovelace"}
    {"any_of": [{"year": 2020}, {"not_of": {"draft": True}}]}

or built, with the same meaning:

    (field("year") >= 2020) & field("lang").is_in(["de", "en"]) & (field("author.name") == "Lovelace")
    (field("year") == 2020) | ~(field("draft") == True)

A field that no document has is an error, since it is mostly mistyped. Where it is none, say so, by `"lenient": True`
beside its tests or by `field("year", lenient=True)`: then no document meets them.

What a condition means is in the proto, at `Filter` and `Condition`. This module knows neither gRPC nor protobuf.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NoReturn, TypeAlias

Value: TypeAlias = str | bool | int | float | date
"""What fields are compared with. A `datetime` needs a time zone; a `date` is its midnight in UTC."""

Operator = Literal["equals", "in", "gt", "gte", "lt", "lte", "exists", "lenient"]


class Filter:
    """A filter that can be joined with others by `&` and `|`, and turned round by `~`."""

    __slots__ = ()

    def __and__(self, other: "Filter") -> "Filter":
        return AllOf((self, other))

    def __or__(self, other: "Filter") -> "Filter":
        return AnyOf((self, other))

    def __invert__(self) -> "Filter":
        return NotOf(self)

    def __bool__(self) -> NoReturn:
        # Python asks this of `and`, `or`, `not` and `1 < field("x") < 2`, and would drop a part of what was meant.
        raise TypeError("a filter has no truth value; join filters by & and |, turn them round by ~, in brackets")


@dataclass(frozen=True, slots=True)
class Condition(Filter):
    """Tests of one field, which all have to be met."""

    path: str
    tests: Mapping[Operator, Any]


@dataclass(frozen=True, slots=True)
class AllOf(Filter):
    """Filters that all have to match."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(Filter):
    """Filters of which one has to match."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class NotOf(Filter):
    """A filter that must not match."""

    filter: Filter


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of the metadata, whose comparisons are filters."""

    path: str
    lenient: bool = False  # True: no document needs to have it

    def __eq__(self, value: Value) -> Filter:  # type: ignore[override]  # a filter, as the other comparisons
        return self._tested({"equals": value})

    def __ne__(self, value: Value) -> Filter:  # type: ignore[override]  # the same
        return NotOf(self == value)

    __hash__ = None  # type: ignore[assignment]  # what is not equal by Python's rules is no key

    def __gt__(self, value: Value) -> Filter:
        return self._tested({"gt": value})

    def __ge__(self, value: Value) -> Filter:
        return self._tested({"gte": value})

    def __lt__(self, value: Value) -> Filter:
        return self._tested({"lt": value})

    def __le__(self, value: Value) -> Filter:
        return self._tested({"lte": value})

    def is_in(self, values: Iterable[Value]) -> Filter:
        """Have the field be one of some values."""
        return self._tested({"in": values})

    def exists(self) -> Filter:
        """Have the field, or anything in it, hold a value that is not null."""
        return self._tested({"exists": True})

    def _tested(self, test: dict[Operator, Any]) -> Filter:
        return Condition(self.path, test | {"lenient": True} if self.lenient else test)


def field(path: str, *, lenient: bool = False) -> Field:
    """Return a field of the metadata, by its key, or keys joined by dots where objects stand in objects.

    Args:
        path: the key or keys.
        lenient: True where no document needs to have the field; what none has is an error otherwise.
    """
    return Field(path, lenient)


Where: TypeAlias = Mapping[str, Any] | Filter
"""A filter, as a dict or built."""
