"""Lines that are copies and near copies of each other, among real passages: what walks of an index get lost in."""

import random
from collections.abc import Sequence
from typing import Literal, get_args

Place = Literal["none", "first", "mixed", "last"]
PLACES: tuple[Place, ...] = get_args(Place)

_NAMES = ("Acme", "Globex", "Initech", "Umbrella", "Hooli", "Vandelay", "Stark", "Wayne", "Soylent", "Tyrell", "Duff")


def among(passages: Sequence[str], place: Place, count: int) -> tuple[str, ...]:
    """Return passages with `count` lines of boilerplate before, between or behind them."""
    if place == "none":
        return tuple(passages)
    lines = [_line(number) for number in range(count)]
    together = [*passages, *lines] if place == "last" else [*lines, *passages]
    if place == "mixed":
        random.Random(0).shuffle(together)  # noqa: S311 (repeatable, no secret)
    return tuple(together)


def _line(number: int) -> str:
    """Return one of three lines: a copyright and an error that differ in a number or a word, and always the same."""
    name = _NAMES[number % len(_NAMES)]
    match number % 3:
        case 0:
            return f"All rights reserved. Copyright {1900 + number % 120} {name} Corporation. Page {number}."
        case 1:
            return f"Error {number}: {name.lower()}-{number % 97} timed out after {number % 60} seconds."
        case _:
            return "All rights reserved."
