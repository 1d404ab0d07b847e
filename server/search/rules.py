"""Rules that several kinds of request share: texts, how many of something, how large, from what to what."""

from collections.abc import Sequence

from shortlist.server.errors import Empty, InvalidRequest, TooLarge

from .limits import Limits


def text(limits: Limits, field: str, value: str) -> None:
    """Check a text that a model is to read."""
    if not value or value.isspace():
        raise Empty(field, value, "it must hold more than white space", "send the text")
    size(field, value, limits.max_text_bytes, "cut it into passages: models read some hundred words of each")


def texts(limits: Limits, field: str, values: Sequence[str]) -> None:
    """Check several texts that a model is to read."""
    batch(limits, field, len(values))
    for index, value in enumerate(values):
        text(limits, f"{field}[{index}]", value)


def batch(limits: Limits, field: str, count: int) -> None:
    """Check how many documents, texts or ids a call brings."""
    if not count:
        raise Empty(field, [], "at least one is needed", "send one or more")
    if count > limits.max_batch:
        raise TooLarge(field, count, f"it must be 1 to {limits.max_batch} entries", "send them in several calls")


def size(field: str, value: str, limit: int, remedy: str) -> None:
    """Check how many bytes a string has as UTF-8."""
    if len(value) * 4 > limit and (found := len(value.encode())) > limit:
        raise InvalidRequest(field, f"{value[:20]}... ({found} bytes)", f"the limit is {limit} bytes", remedy)


def within(field: str, value: int, most: int, unit: str, remedy: str) -> None:
    """Check a number that is from 1 to the most."""
    if not 1 <= value <= most:
        limit = f"it must be 1 to {most} {unit}"
        raise InvalidRequest(field, value, limit, remedy if value > most else "give at least 1")
