"""Files to read documents from: which there are, what they are called, and their lines.

A text file is called by the path that leads to it, so that files of one name in two folders do not replace each other
in a collection. This module knows no documents.
"""

import gzip
import hashlib
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from shortlist.client.options import UsageError

_JSON_LINES = (".jsonl", ".ndjson", ".json")
_TEXT = (".txt", ".md")
_STDIN = "-"
_MAX_NAME_BYTES = 480  # an id holds 512: the rest is for `#` and the passage's number


class InputError(UsageError):
    """Report input that cannot be indexed, with file and line."""


@dataclass(frozen=True, slots=True)
class Source:
    """Name a file to read."""

    path: str  # "-" is standard input
    name: str  # what the ids of its passages begin with

    @property
    def is_stdin(self) -> bool:
        """Whether it can be read only once."""
        return self.path == _STDIN

    @property
    def is_text(self) -> bool:
        """Whether it is cut into passages."""
        return self.path.lower().removesuffix(".gz").endswith(_TEXT)

    def lines(self) -> Iterator[bytes]:
        """Yield its lines, unpacked.

        Raises:
            InputError: it cannot be read.
        """
        try:
            with self._opened() as stream:
                yield from stream
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise InputError(f"{self.path}: cannot be read: {reason}") from None

    def _opened(self) -> AbstractContextManager[Iterable[bytes]]:
        if not self.is_stdin:
            return gzip.open(self.path) if self.path.endswith(".gz") else Path(self.path).open("rb")
        if sys.stdin is None:
            raise InputError("standard input is closed; name what to read, or redirect it")
        return open(sys.stdin.fileno(), "rb", closefd=False)


STANDARD_INPUT = Source(_STDIN, _STDIN)


def find(paths: Sequence[str]) -> list[Source]:
    """Find the files to read, folders searched for every kind that can be.

    Raises:
        InputError: a path is not there, or nothing in it can be read.
    """
    return [source for path in paths for source in _found(path)]


def _found(given: str) -> list[Source]:
    path = Path(given)
    if given == _STDIN:
        return [STANDARD_INPUT]
    if path.exists() and not path.is_dir() and _is_known(path):
        return [Source(given, _name(path))]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and _is_known(file))
        names = [file.relative_to(path) for file in files]
        visible = [
            Source(str(file), _name(file))
            for file, name in zip(files, names, strict=True)
            if not any(part.startswith(".") for part in name.parts)
        ]
        if visible:
            return visible
        raise InputError(f"{given}: no file in this folder ends in {_known()}")
    if path.exists():
        raise InputError(f"{given}: not a kind of file that can be read; it must end in {_known()}")
    raise InputError(f"{given}: no such file or folder")


def _name(path: Path) -> str:
    """Return what the ids of a text file's passages begin with: its path as it was given.

    It is normalised, and relative where the file is below the working folder. Of a path over 480 bytes the end stays,
    and 32 digits of the whole path's SHA-256 and `...` take the place of its beginning.
    """
    given, here = Path(os.path.normpath(path)), Path.cwd()
    name = (given.relative_to(here) if given.is_relative_to(here) else given).as_posix()
    content = os.fsencode(name)
    if len(content) <= _MAX_NAME_BYTES:
        return name
    beginning = f"{hashlib.sha256(content).hexdigest()[:32]}..."
    return beginning + content[len(beginning) - _MAX_NAME_BYTES :].decode(errors="ignore")


def _is_known(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(_JSON_LINES + _TEXT)


def _known() -> str:
    return f"{', '.join(_JSON_LINES + _TEXT)}, each also with .gz"
