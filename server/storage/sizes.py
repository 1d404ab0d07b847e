"""What a collection takes on disk, by what its files hold."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path


def disk_bytes(folder: Path) -> Mapping[str, int]:
    """Return the bytes of a collection's documents, vectors and words; files that go meanwhile count for nothing."""
    found = Counter(documents=0, vectors=0, words=0)
    for path in folder.rglob("*"):
        try:
            found[_part(path.relative_to(folder).parts[0])] += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return found


def _part(name: str) -> str:
    """Return what a file, or a folder of files, holds."""
    return next((part for part in ("vectors", "words") if name.startswith(part)), "documents")
