"""Files to read documents from: which there are, what they are called, and their lines.

A file is called by the path that leads to it, so that files of one name in two folders do not replace each other in a
collection. This module knows no documents.
"""

import gzip
import hashlib
import io
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from shortlist.console.errors import UsageError

_JSON_LINES = (".jsonl", ".ndjson", ".json")
_MARKDOWN = (".md", ".markdown")
_KNOWN = (*_JSON_LINES, ".txt", *_MARKDOWN)
_PACKED = ".gz"
_STDIN = "-"
_MAX_ID_BYTES = 480  # of the 512 that an id holds: the rest is for `#` and the passage's number


class InputError(UsageError):
    """Input that cannot be indexed, with file and line."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read."""

    path: str  # "-" is standard input
    name: str  # its path as it was given, but normalized, and relative where it is below the working folder
    is_found: bool = False  # whether a folder was named that has it, and not the file itself

    @property
    def is_stdin(self) -> bool:
        """Whether it can be read only once."""
        return self.path == _STDIN

    @property
    def is_text(self) -> bool:
        """Whether it is cut into passages."""
        return not self.is_stdin and not _ends(self.path, _JSON_LINES)

    @property
    def is_markdown(self) -> bool:
        """Whether its text has headings, tables and fences."""
        return _ends(self.path, _MARKDOWN)

    @property
    def id_stem(self) -> str:
        """Return what the ids of its passages begin with: its name.

        Of a name over 480 bytes the end stays, and 32 digits of the whole name's SHA-256 and `...` take the place of
        its beginning.
        """
        content = os.fsencode(self.name)
        if len(content) <= _MAX_ID_BYTES:
            return self.name
        beginning = f"{hashlib.sha256(content).hexdigest()[:32]}..."
        return beginning + content[len(beginning) - _MAX_ID_BYTES :].decode(errors="ignore")

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
            packed = self.path.lower().endswith(_PACKED)
            return gzip.open(self.path) if packed else Path(self.path).open("rb")
        if sys.stdin is None:
            raise InputError("standard input is closed; name what to read, or redirect it")
        return open(sys.stdin.fileno(), "rb", closefd=False)


STANDARD_INPUT = Source(_STDIN, _STDIN)


def standard_lines() -> list[str]:
    """Return the lines of standard input, however they end, the blank ones too.

    Raises:
        InputError: it cannot be read.
    """
    try:
        content = b"".join(STANDARD_INPUT.lines()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input: byte {error.start} is not UTF-8; convert it first") from None
    return [line.removesuffix("\n") for line in io.StringIO(content, newline=None)]  # \r\n and \r end a line too


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files of a folder are read: those of known kinds, or those that match a pattern.

    A pattern is a shell's, for the name of a file or folder (`*.rst`, `node_modules`), or for its path below the
    folder that was named (`drafts/*.md`).
    """

    include: tuple[str, ...] = ()  # none: the known kinds
    exclude: tuple[str, ...] = ()

    def takes(self, path: PurePosixPath) -> bool:
        """Return whether a file is read that is not left out."""
        return _matches(path, self.include) if self.include else _ends(path.name, _KNOWN)

    def leaves_out(self, path: PurePosixPath) -> bool:
        """Return whether a file or folder is left out: hidden ones always are."""
        return path.name.startswith(".") or _matches(path, self.exclude)


@dataclass(slots=True)
class Found:
    """The files to read, and what was passed over on the way to them."""

    files: list[Source] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)  # those that were named, as names of sources are written
    other_kinds: Counter[str] = field(default_factory=Counter)  # files in them that are of no known kind, by ending


def find(paths: Sequence[str], selection: Selection | None = None) -> Found:
    """Find the files to read, folders searched for every one that is selected.

    Raises:
        InputError: a path is not there, or nothing in it can be read.
    """
    found = Found()
    for given in paths:
        _add(found, given, selection or Selection())
    # A file may be named and be in a folder that is named as well.
    found.files = list({source.name: source for source in reversed(found.files)}.values())[::-1]
    return found


def _add(found: Found, given: str, selection: Selection) -> None:
    path = Path(given)
    if not given:  # as of a variable of the shell that is not set; pathlib takes it for the working folder
        raise InputError("a path is empty; name a file or a folder, . for this one")
    if given == _STDIN:
        found.files.append(STANDARD_INPUT)
    elif path.is_dir():
        known = len(found.files)
        found.folders.append(_name(path))
        for file in sorted(_visible(path, PurePosixPath(), selection)):
            if selection.takes(file):
                found.files.append(Source(str(path / file), _name(path / file), is_found=True))
            elif not selection.include:
                found.other_kinds[file.suffix or file.name] += 1
        if len(found.files) == known:
            which = f"matches {', '.join(selection.include)}" if selection.include else f"ends in {_known()}"
            raise InputError(f"{given}: no file in this folder {which}")
    elif not path.exists():
        raise InputError(f"{given}: no such file or folder")
    elif not selection.takes(PurePosixPath(path.as_posix())) and not _ends(path.name, _KNOWN):
        example = f"--include '*{path.suffix or path.name}'"
        raise InputError(f"{given}: is no {_known()}; {example} reads it as text")
    else:
        found.files.append(Source(given, _name(path)))


def _visible(folder: Path, below: PurePosixPath, selection: Selection) -> Iterator[PurePosixPath]:
    """Yield the files of a folder that are not left out, by their paths below the one that was named."""
    try:
        entries = list(os.scandir(folder / below))
    except OSError as error:
        raise InputError(f"{folder / below}: cannot be read: {error.strerror}; --exclude leaves it out") from None
    for entry in entries:
        path = below / entry.name
        if selection.leaves_out(path):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _visible(folder, path, selection)
        elif entry.is_file():
            yield path


def _matches(path: PurePosixPath, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path.name, one) or fnmatchcase(str(path), one) for one in patterns)


def _name(path: Path) -> str:
    given, here = Path(os.path.normpath(path)), Path.cwd()
    return (given.relative_to(here) if given.is_relative_to(here) else given).as_posix()


def _ends(path: str, endings: tuple[str, ...]) -> bool:
    return path.lower().removesuffix(_PACKED).endswith(endings)


def _known() -> str:
    return f"{', '.join(_KNOWN)}, each also with .gz"
