"""Files and folders as they were when they were opened.

A file that was removed, renamed or replaced stays open: SQLite goes on committing into it, and what was acknowledged
is lost when the process ends. An inode tells whether a path still leads to what was opened.
"""

from collections.abc import Sequence
from pathlib import Path


class Opened:
    """Paths, and the inodes that they led to at first."""

    def __init__(self, *paths: Path) -> None:
        """Remember what the paths lead to now.

        Raises:
            OSError: there is nothing at one of them.
        """
        self._inodes = {path: _inode(path) for path in paths}

    def lost(self) -> Sequence[Path]:
        """Return the paths that lead elsewhere now, or nowhere."""
        return [path for path, inode in self._inodes.items() if not _leads(path, inode)]


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _leads(path: Path, inode: tuple[int, int]) -> bool:
    try:
        return _inode(path) == inode
    except OSError:
        return False
