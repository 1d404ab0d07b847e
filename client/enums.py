"""The numbers of the wire's enums to the names that programs have for them."""

from collections.abc import Mapping
from typing import TypeVar

from . import errors

_Name = TypeVar("_Name")


def name(field: str, number: int, numbers: Mapping[_Name, int]) -> _Name:
    """Return the name that stands for a number.

    Raises:
        ServerError: there is none, so the server is newer than this client.
    """
    for plain, known in numbers.items():
        if known == number:
            return plain
    raise errors.ServerError(f"the server answered {field}={number}, which this client does not know; update it")
