"""Filters on documents' metadata, as plain types: what `rpc/` makes of a request, and `matching.py` answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

# "long" is text that is too long to be compared; only `Exists` sees it.
Kind = Literal["text", "number", "truth", "time", "long"]

MAX_COMPARED_BYTES = 1024  # of a string
TICK_NS = 1000  # of a time that is kept


@dataclass(frozen=True, slots=True)
class Value:
    """A value that fields are compared with, of one kind: 1 and True are equal in Python, but not here."""

    kind: Kind
    value: str | int | float  # of a time: nanoseconds since 1970, UTC


@dataclass(frozen=True, slots=True)
class OneOf:
    """The test whether a field has one of some values, which are of one kind."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The test whether a field lies between bounds, of which there is one at least."""

    low: Value | None = None
    high: Value | None = None
    with_low: bool = True  # whether the bound itself is inside
    with_high: bool = True

    @property
    def values(self) -> tuple[Value, ...]:
        """Return the bounds that there are."""
        return tuple(bound for bound in (self.low, self.high) if bound is not None)


@dataclass(frozen=True, slots=True)
class Exists:
    """The test whether a field, or anything in it, has a value that is not null."""

    wanted: bool = True

    @property
    def values(self) -> tuple[Value, ...]:
        """Return what the field is compared with: nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one field: its keys, joined by dots."""

    path: str
    test: OneOf | Between | Exists
    lenient: bool = False  # whether documents may all lack the field, or have it with values of other types


@dataclass(frozen=True, slots=True)
class AllOf:
    """Filters that all have to match."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Filters of which one has to match."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class NotOf:
    """A filter that must not match."""

    filter: "Filter"


@dataclass(frozen=True, slots=True)
class From:
    """The condition that documents came from a source."""

    source: str


Filter: TypeAlias = AllOf | AnyOf | NotOf | Condition | From


def conditions(where: Filter, field: str) -> Iterator[tuple[str, Condition]]:
    """Yield each condition of a filter, beside its place in the request, as the proto spells it."""
    match where:
        case AllOf() | AnyOf():
            name = "all_of" if isinstance(where, AllOf) else "any_of"
            for index, inner in enumerate(where.filters):
                yield from conditions(inner, f"{field}.{name}.filters[{index}]")
        case NotOf():
            yield from conditions(where.filter, f"{field}.not_of")
        case Condition():
            yield f"{field}.condition", where
