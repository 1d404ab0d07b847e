"""JSON that callers send, read within bounds.

While it is read nothing else runs, gRPC's calls included, since orjson keeps the interpreter to itself: so a body may
not hold more values than the largest sound request, and is not read at all where it does. What nests deeper than any
request can is refused too: neither messages nor answers could hold it.
"""

import gc
from typing import Any

import orjson

from shortlist.server.errors import TooLarge

from .errors import BadBody

_MOST_VALUES = 4_500_000  # as a thousand vectors of 4,096 numbers; 0.3 s
_DEEPEST = 100  # metadata and filters nest in 64 at most
_MANY_BYTES = 1 << 20  # of which the collector is kept from looking through what is made, again and again
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def loads(data: bytes) -> Any:
    """Return what JSON stands for.

    Raises:
        BadBody: it is none, or nests too deep.
        TooLarge: it holds too much.
    """
    if (values := sum(map(data.count, (b",", b"[", b"{")))) > _MOST_VALUES:
        raise TooLarge("body", f"{values} values", f"the most is {_MOST_VALUES}", "send less in one call")
    collects = len(data) > _MANY_BYTES and gc.isenabled()
    if collects:
        gc.disable()
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        limit = f"it must be JSON in UTF-8: {error}"
        raise BadBody("body", data[:100].decode(errors="replace"), limit, "send valid JSON") from None
    finally:
        if collects:
            gc.enable()
    if _may_be_deep(data) and _is_deep(value):
        raise BadBody("body", value, f"it may nest {_DEEPEST} levels deep", "send what is flatter")
    return value


def _may_be_deep(data: bytes) -> bool:
    """Return False where brackets tell that nothing is too deep; brackets in texts may hide that."""
    brackets = data.translate(None, _NO_BRACKET)
    for _ in range(_DEEPEST):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)


def _is_deep(value: Any) -> bool:
    level: list[Any] = [[value]]
    for _ in range(_DEEPEST + 1):
        inner = (entry for one in level for entry in (one.values() if isinstance(one, dict) else one))
        level = [entry for entry in inner if isinstance(entry, list | dict)]
        if not level:
            return False
    return True
