"""Filters of requests to plain types.

A filter may be far larger than it is allowed to be, so it is refused while it is read; and one in which nothing is
set, which the plain types cannot hold.
"""

from google.protobuf.message import Message

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.errors import InvalidRequest
from shortlist.server.search import filter_checks
from shortlist.server.storage.filters import AllOf, AnyOf, Between, Condition, Exists, Filter, NotOf, OneOf, Value

_NS = 1_000_000_000


def where(request: pb.SearchRequest | pb.DeleteRequest | pb.ListRequest | pb.CountRequest) -> Filter | None:
    """Return a request's filter; None where it has none.

    Raises:
        InvalidRequest: it is too large, or nothing is set where something must be.
    """
    return _Reader().filter(request.where, "where", 1) if request.HasField("where") else None


class _Reader:
    """A filter that is read, and how much of it was."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._terms = 0

    def filter(self, message: pb.Filter, field: str, level: int) -> Filter:
        """Return a filter that is so many levels deep."""
        filter_checks.size(field, self._terms, level)
        match _set(message, "kind", field):
            case "all_of":
                return AllOf(self._several(message.all_of, f"{field}.all_of", level))
            case "any_of":
                return AnyOf(self._several(message.any_of, f"{field}.any_of", level))
            case "not_of":
                return NotOf(self.filter(message.not_of, f"{field}.not_of", level + 1))
            case _:
                return self._condition(message.condition, f"{field}.condition")

    def _several(self, message: pb.Filters, field: str, level: int) -> tuple[Filter, ...]:
        return tuple(
            self.filter(inner, f"{field}.filters[{index}]", level + 1) for index, inner in enumerate(message.filters)
        )

    def _condition(self, message: pb.Condition, field: str) -> Condition:
        name = _set(message, "test", field)
        self._terms += max(1, len(message.one_of.values))
        filter_checks.size(field, self._terms, 1)
        return Condition(message.path, _test(message, name, field), message.lenient)


def _test(message: pb.Condition, name: str, field: str) -> OneOf | Between | Exists:
    match name:
        case "equals":
            return OneOf((_value(message.equals, f"{field}.equals"),))
        case "one_of":
            values = enumerate(message.one_of.values)
            return OneOf(tuple(_value(value, f"{field}.one_of.values[{index}]") for index, value in values))
        case "range":
            return _range(message.range, f"{field}.range")
        case _:
            return Exists(message.exists)


def _range(message: pb.Range, field: str) -> Between:
    low, high = message.WhichOneof("low"), message.WhichOneof("high")
    return Between(
        low=_value(getattr(message, low), f"{field}.{low}") if low else None,
        high=_value(getattr(message, high), f"{field}.{high}") if high else None,
        with_low=low != "gt",
        with_high=high != "lt",
    )


def _value(message: pb.FilterValue, field: str) -> Value:
    match _set(message, "kind", field):
        case "text":
            return Value("text", message.text)
        case "integer":
            return Value("number", message.integer)
        case "number":
            return Value("number", message.number)
        case "truth":
            return Value("truth", int(message.truth))
        case _:
            return Value("time", message.time.seconds * _NS + message.time.nanos)


def _set(message: Message, oneof: str, field: str) -> str:
    """Return which field of a oneof is set.

    Raises:
        InvalidRequest: none is.
    """
    found = message.WhichOneof(oneof)
    if found is None:
        names = ", ".join(one.name for one in message.DESCRIPTOR.oneofs_by_name[oneof].fields)
        raise InvalidRequest(field, "nothing", f"one of {names} must be set", "set one, or leave the filter out")
    return str(found)
