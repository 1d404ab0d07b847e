"""What may befall the files of a collection between a kill and the next start, and must cost time alone.

Everything here is derived from the documents, or is what a torn write leaves behind what SQLite has in its log.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_INDEX, _DIGEST, _LOG = "vectors.usearch", "vectors.sha256", "documents.sqlite-wal"


@dataclass(frozen=True)
class Damage:
    """One kind of damage."""

    name: str
    do: Callable[[Path, Path, random.Random], None]
    """Takes the folder of a collection, that of another one, and dice."""


def _torn(folder: Path, _: Path, rng: random.Random) -> None:
    content = bytearray((folder / _INDEX).read_bytes())
    for _ in range(50):
        content[rng.randrange(len(content))] ^= 0xFF
    (folder / _INDEX).write_bytes(content)


def _cut(folder: Path, _: Path, rng: random.Random) -> None:
    content = (folder / _INDEX).read_bytes()
    (folder / _INDEX).write_bytes(content[: rng.randrange(len(content))])


def _missing(folder: Path, _: Path, rng: random.Random) -> None:
    (folder / rng.choice((_INDEX, _DIGEST))).unlink()


def _foreign(folder: Path, other: Path, _: random.Random) -> None:
    for name in (_INDEX, _DIGEST):
        (folder / name).write_bytes((other / name).read_bytes())


def _log_torn(folder: Path, _: Path, rng: random.Random) -> None:
    with (folder / _LOG).open("ab") as log:
        log.write(rng.randbytes(rng.randrange(1, 9000)))


def _words_torn(folder: Path, _: Path, rng: random.Random) -> None:
    torn = rng.choice(sorted(path for path in (folder / "words").iterdir() if path.stat().st_size))
    content = bytearray(torn.read_bytes())
    content[rng.randrange(len(content))] ^= 0xFF
    torn.write_bytes(content)


def _words_missing(folder: Path, _: Path, rng: random.Random) -> None:
    rng.choice(sorted((folder / "words").iterdir())).unlink()


KINDS = (
    Damage("none", lambda *_: None),
    Damage("index torn", _torn),
    Damage("index cut", _cut),
    Damage("index or digest missing", _missing),
    Damage("index of another collection", _foreign),
    Damage("garbage behind the log", _log_torn),
    Damage("words torn", _words_torn),
    Damage("a file of words missing", _words_missing),
)
