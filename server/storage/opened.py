"""Files and folders as they were when they were opened.

A process goes on in a file that was removed, renamed or replaced: SQLite commits into it, and what was acknowledged
is gone with the process. An inode tells whether a path still leads to what was opened.
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
        """Return the paths that do not lead there any more."""
        return [path for path, inode in self._inodes.items() if not _leads(path, inode)]


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _leads(path: Path, inode: tuple[int, int]) -> bool:
    try:
        return _inode(path) == inode
    except OSError:
        return False
