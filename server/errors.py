"""Every error that the server raises on purpose.

    ShortlistError
    ├── RequestError             what the caller can mend
    │   ├── InvalidRequest         a field, with its value, the limit and a remedy
    │   │   ├── Empty                nothing, or white space, where something is needed
    │   │   ├── TooLarge             too much for one call; smaller ones are served
    │   │   ├── NoTokens             a text of which the model's tokenizer drops everything
    │   │   └── TooLong              a text that the model cannot read whole, where it must not be cut
    │   ├── Unauthenticated        a call without a key that the server knows
    │   ├── PermissionDenied       a key that may not do this
    │   ├── Unsupported            what the models that are served cannot do
    │   ├── UnknownCollection
    │   ├── UnknownDocument
    │   ├── UnknownSnapshot
    │   ├── CollectionExists
    │   └── SnapshotExists
    ├── CapacityError            what the caller can try again
    │   ├── Overloaded             the queue is full; `retry_after_ms` says when to come back
    │   ├── DeadlineExceeded
    │   ├── NotServing             the slots do not work
    │   └── ShuttingDown
    ├── StorageFailed            the disk is full or fails; callers see why, since only an operator can mend it
    ├── InferenceFailed          a run of a model raised: our fault; callers do not see the cause
    └── StartupError             the process ends with one line and exit code 2
        ├── SettingsError
        ├── BundleError            missing, damaged, of the wrong kind
        ├── ProviderError          an execution provider that is not there
        ├── StorageError           the data folder is in use, damaged, or made with another embedder
        └── ListenError            the port is taken, or the address is not this machine's

This module knows no gRPC: `statuses.py` has the one table from these classes to status codes.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class ShortlistError(Exception):
    """The root of every error that the server raises on purpose."""

    @property
    def reason(self) -> str:
        """Return the class's name as programs outside tell errors apart by: UNKNOWN_COLLECTION."""
        return re.sub(r"\B(?=[A-Z])", "_", type(self).__name__).upper()


class RequestError(ShortlistError):
    """A request that its caller can mend."""


class InvalidRequest(RequestError):
    """A field that is outside its limits."""

    def __init__(self, field: str, value: object, limit: str, remedy: str) -> None:
        """Put the four parts that a caller needs into one message.

        Args:
            field: the field's name in the request, as the proto spells it.
            value: what it held; long values are cut.
            limit: what it may hold.
            remedy: what to do instead.
        """
        super().__init__()
        self.field = cut(field, _FIELD_CHARACTERS)
        self.description = f"got {shown(value)}, but {limit}; {remedy}"

    def __str__(self) -> str:
        return f"{self.field}: {self.description}"

    def rename(self, field: str) -> None:
        """Name another field: the one that the caller sent."""
        self.field = cut(field, _FIELD_CHARACTERS)


class Empty(InvalidRequest):
    """A text or a list with nothing in it."""


class TooLarge(InvalidRequest):
    """A request, or the answer to it, that is too much for one call; smaller ones are served."""


class NoTokens(InvalidRequest):
    """A text without tokens: the model's tokenizer drops all of it, such as a lone U+200B."""

    def __init__(self, index: int, text: str, field: str = "") -> None:
        """Name the text by its index in a list of texts, or by the field that it came in."""
        limit = "the model's tokenizer leaves no token of it"
        super().__init__(field or f"texts[{index}]", text, limit, "send a text that the model can read")
        self.index = index


class TooLong(InvalidRequest):
    """A text, or a pair of texts, of more tokens than the model reads, where nothing may be cut off."""

    def __init__(self, index: int, text: str, tokens: int, field: str = "") -> None:
        """Name the text by its index in a list of texts, or by the field that it came in.

        Args:
            index: its place.
            text: what was sent.
            tokens: how many the model reads.
            field: the field.
        """
        limit = f"the model reads {tokens} tokens, and the request lets nothing be cut off"
        super().__init__(field or f"texts[{index}]", text, limit, "send less text, or let it be truncated")
        self.index = index


class Unauthenticated(RequestError):
    """A call without a key that the server knows."""


class PermissionDenied(RequestError):
    """A call with a key that has not the right, or is for other collections."""


class Unsupported(RequestError):
    """Something that another kind of model than those served could do."""


class UnknownCollection(RequestError):
    """A collection that is not there."""


class UnknownDocument(RequestError):
    """A document id that is not there."""


class CollectionExists(RequestError):
    """A collection that is there already."""


class UnknownSnapshot(RequestError):
    """A snapshot that is not there."""


class SnapshotExists(RequestError):
    """A snapshot that is there already."""


class CapacityError(ShortlistError):
    """A request that may succeed if it is tried again."""


class Overloaded(CapacityError):
    """A queue that is full, or too long for the request's deadline."""

    def __init__(self, message: str, retry_after_ms: int) -> None:
        """Keep the hint beside the message: `retry_after_ms` is the server's estimate."""
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class DeadlineExceeded(CapacityError):
    """A deadline that passed, or that cannot be met."""


class NotServing(CapacityError):
    """Slots that do not work; the watchdog says why."""


class ShuttingDown(CapacityError):
    """A server that takes no more work."""


class StorageFailed(ShortlistError):
    """A change that could not be written; nothing of it was."""


class InferenceFailed(ShortlistError):
    """A run of a model that raised; the cause is chained and logged, and callers do not see it."""


class StartupError(ShortlistError):
    """The end of the process, with one line on standard error and exit code 2."""


class SettingsError(StartupError):
    """A setting that cannot be honoured."""


class BundleError(StartupError):
    """A bundle that is missing, damaged or of the wrong kind."""


class ProviderError(StartupError):
    """An execution provider that is not there, or does not do what is asked."""


class StorageError(StartupError):
    """A data folder that cannot be used."""


class ListenError(StartupError):
    """An address on which the server cannot listen."""


@contextmanager
def named(fields: Mapping[str, str]) -> Iterator[None]:
    """Have errors name fields as their caller's request does, where the pipeline has other names for them.

    Args:
        fields: the pipeline's names and the request's; what follows a name in brackets stays.
    """
    try:
        yield
    except InvalidRequest as error:
        for ours, theirs in fields.items():
            rest = error.field.removeprefix(ours)
            if error.field.startswith(ours) and rest[:1] in {"", "["}:
                error.rename(theirs + rest)
                break
        raise


# gRPC sends 8 KB of words and trailers at most, in which a character may take 12 bytes.
_SHOWN_CHARACTERS = 60
_FIELD_CHARACTERS = 120


def shown(value: object) -> str:
    """Return a caller's value as a message can hold it: quoted, and cut if it is long.

    No more of it is looked at than is shown: a caller's list may have millions of elements, or nest a thousand times.
    """
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > _SHOWN_CHARACTERS:
            break
    return cut(text, _SHOWN_CHARACTERS)


def _pieces(value: object) -> Iterator[str]:
    """Yield how Python writes a value, piece by piece."""
    if isinstance(value, str | bytes):
        yield repr(value[: _SHOWN_CHARACTERS + 1])
    elif isinstance(value, list):
        yield "["
        for index, one in enumerate(value):
            yield ", " if index else ""
            yield from _pieces(one)
        yield "]"
    elif isinstance(value, dict):
        yield "{"
        for index, (key, one) in enumerate(value.items()):
            yield ", " if index else ""
            yield from _pieces(key)
            yield ": "
            yield from _pieces(one)
        yield "}"
    else:
        yield repr(value)


def cut(text: str, most: int) -> str:
    """Return the beginning of a text, of so many characters at most, and a sign where there was more."""
    return text if len(text) <= most else f"{text[:most]}..."


def first_line(error: Exception) -> str:
    """Return what another library's error says first: short enough for a message of one line."""
    return str(error).strip().split("\n", 1)[0]
