"""Any number of items in calls of as many as a server takes."""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from shortlist.client import InvalidRequest, TooLarge

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

MOST = 1000  # in a call, unless the server has it otherwise


def in_parts(
    call: Callable[[Sequence[_Item]], Sequence[_Answer]], items: Sequence[_Item], most: int = MOST
) -> list[_Answer]:
    """Return the answers to all items, of calls with `most` each; where those are too large, of smaller ones."""
    answers: list[_Answer] = []
    for start in range(0, len(items), most):
        part = items[start : start + most]
        with _placed(start):
            try:
                answers += call(part)
            except TooLarge:
                if len(part) == 1:
                    raise
                answers += in_parts(call, part, len(part) // 2)
    return answers


async def ain_parts(
    call: Callable[[Sequence[_Item]], Awaitable[Sequence[_Answer]]], items: Sequence[_Item], most: int = MOST
) -> list[_Answer]:
    """Return what `in_parts` does, of calls that are awaited."""
    answers: list[_Answer] = []
    for start in range(0, len(items), most):
        part = items[start : start + most]
        with _placed(start):
            try:
                answers += await call(part)
            except TooLarge:
                if len(part) == 1:
                    raise
                answers += await ain_parts(call, part, len(part) // 2)
    return answers


@contextmanager
def _placed(start: int) -> Iterator[None]:
    """Have the error of a call name an item by its place among all, of which the call's first is at `start`."""
    try:
        yield
    except InvalidRequest as error:
        message = str(error).removeprefix(error.field)
        error.field = re.sub(r"(?<=\[)\d+(?=\])", lambda place: str(int(place[0]) + start), error.field, count=1)
        error.args = (f"{error.field}{message}",)
        raise
