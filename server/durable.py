"""Renames that survive a crash: a file or folder is there wholly, or not at all."""

import os
from pathlib import Path


def put(new: Path, target: Path) -> None:
    """Move `new`, a file or folder in the same file system, to `target`, and wait until it is on disk.

    An existing file at `target` is replaced.
    """
    _sync(new)
    new.replace(target)
    _sync(target.parent)


def put_tree(new: Path, target: Path) -> None:
    """Move a folder as `put` does, once all that it holds is on disk."""
    for path in new.rglob("*"):
        _sync(path)
    put(new, target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
