"""What is read from files, and read again once they change: with the next use, so nothing polls.

Another program may write while this reads, so what cannot be read changes nothing: what was read before stays, and
the log says why. Any thread may ask.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from shortlist.server.errors import SettingsError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Stamp = tuple[tuple[int, ...] | None, ...]

# A file system's clock ticks every 4 ms or every 2 s: a file that changed just now may change again within its tick,
# and look the same. Until then it is read with each use.
_TICK_NS = 3_000_000_000


class Watched(Generic[T]):
    """A value that is made of files."""

    def __init__(self, what: str, paths: Sequence[Path], load: Callable[[], T]) -> None:
        """Read it.

        Args:
            what: its name, for the log.
            paths: the files.
            load: makes it of them.

        Raises:
            SettingsError: it cannot be made.
        """
        self._what, self._paths, self._load = what, paths, load
        self._lock = threading.Lock()
        stamp = self._look()
        self._value = load()
        self._stamp = stamp if _is_settled(stamp) else None
        self._fault = ""

    def get(self) -> T:
        """Return it as the files have it now, or had it when they could last be read."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._read(stamp)
            return self._value

    def _read(self, stamp: Stamp) -> None:
        try:
            value = self._load()
        except SettingsError as error:
            if str(error) != self._fault:
                logger.error("%s stay as they were: %s", self._what, error)  # noqa: TRY400 (one line says it all)
            self._fault = str(error)
            return
        if self._fault or value != self._value:
            logger.info("%s are read again", self._what)
        self._value, self._fault = value, ""
        self._stamp = stamp if _is_settled(stamp) else None

    def _look(self) -> Stamp:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_settled(stamp: Stamp) -> bool:
    """Return whether files that change from now on will look changed."""
    now = time.time_ns()
    return all(one is not None and max(one[-2:]) < now - _TICK_NS for one in stamp)


def content(path: Path, what: str) -> bytes:
    """Return what a file holds.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{what} {os.fspath(path)}: cannot be read: {error.strerror}") from None
