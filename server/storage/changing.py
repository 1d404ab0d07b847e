"""Searches while documents are changed: one that a change came between is done again."""

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

# Searches that a change may disturb before one waits for the changes.
_SEARCHES = 3


def undisturbed(search: Callable[[], tuple[_T, bool]], changing: threading.Lock) -> _T:
    """Search until no change comes between.

    Args:
        search: what it found, and whether a change disturbed it.
        changing: what is held while documents are changed.
    """
    for _ in range(_SEARCHES):
        found, disturbed = search()
        if not disturbed:
            return found
    with changing:  # changes come one after another: let them wait once
        return search()[0]
