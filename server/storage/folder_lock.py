"""The lock of a data folder: one server at a time uses it, and nothing else beside that server."""

import fcntl
from pathlib import Path
from typing import TextIO

from shortlist.server.errors import StorageError

NAME = "lock"


def take(data: Path) -> TextIO:
    """Take a data folder for as long as the file that is returned stays open.

    Raises:
        StorageError: a server has it, or it cannot be written.
    """
    return _locked(data, "w")


def take_to_read(data: Path) -> TextIO | None:
    """Keep servers away from a data folder that is only read; None where there was never one.

    Raises:
        StorageError: a server has it, or it cannot be read.
    """
    return _locked(data, "r") if (data / NAME).exists() else None


def _locked(data: Path, mode: str) -> TextIO:
    try:
        held: TextIO = (data / NAME).open(mode)  # type: ignore[assignment] # a text mode makes a text file
    except (OSError, ValueError) as error:
        raise StorageError(f"data folder {data} cannot be used: {error}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        raise StorageError(
            f"data folder {data} is in use by a server; stop that one, or use another folder"
        ) from error
    return held
