"""Calls that do not fit a method's signature, raised as what a client raises for every other wrong argument."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from . import errors

_Client = TypeVar("_Client")


def checked(client: type[_Client]) -> type[_Client]:
    """Have the public methods of a class, and its constructor, raise InvalidRequest where Python raises TypeError."""
    for name, method in inspect.getmembers(client, inspect.isfunction):  # its own, and what it inherits
        if name == "__init__" or not name.startswith("_"):
            setattr(client, name, _checked(method, client.__name__ if name == "__init__" else name))
    return client


def _checked(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    signature = inspect.signature(method)
    named = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    form = f"{name}{signature.replace(parameters=named[1:], return_annotation=signature.empty)}"

    def explain(*given: Any, **fields: Any) -> None:
        """Raise if these arguments do not fit; asked once Python raised, since to ask at every call takes 15 us."""
        try:
            signature.bind(*given, **fields)
        except TypeError as error:
            raise errors.InvalidRequest(f"{name}: {error}; call it as {form}") from None

    @functools.wraps(method)
    def call(*given: Any, **fields: Any) -> Any:
        try:
            return method(*given, **fields)
        except TypeError:
            explain(*given, **fields)
            raise

    @functools.wraps(method)
    async def call_async(*given: Any, **fields: Any) -> Any:
        try:
            return await method(*given, **fields)
        except TypeError:
            explain(*given, **fields)
            raise

    return call_async if inspect.iscoroutinefunction(method) else call
