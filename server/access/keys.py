"""API keys: how they are made, and what a server keeps of them.

A key is 256 random bits, so its plain SHA-256 gives nothing away and there is nothing for a slow hash to slow down.
The server keeps names, rights and these digests, one key a line:

    NAME RIGHT SHA-256 [COLLECTION ...]

A name may come twice, with another key each, while callers change from one to the other. A collection may end in `*`
for all that begin so; without any, the key is for all. Empty lines and what follows `#` count for nothing.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shortlist.server.errors import SettingsError, shown

from .rights import Right

MOST_KEYS = 1000  # each is compared with each call's
RIGHTS = {right.name.lower(): right for right in Right if right}

_PREFIX = "shortlist_"  # finds a key that leaked into a repository or a log
_RANDOM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COLLECTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\*?|\*")


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key."""

    name: str
    right: Right
    digest: bytes
    collections: tuple[str, ...] = ()  # none: all

    def covers(self, collection: str) -> bool:
        """Return whether it is for a collection."""
        return not self.collections or any(
            collection.startswith(one[:-1]) if one.endswith("*") else collection == one for one in self.collections
        )

    def line(self) -> str:
        """Return the line that a server reads it from."""
        return " ".join((self.name, self.right.name.lower(), self.digest.hex(), *self.collections))


def make(name: str, right: Right, collections: Sequence[str]) -> tuple[str, Key]:
    """Return a new key, and what a server keeps of it.

    Raises:
        SettingsError: the name, or that of a collection, is none.
    """
    _check_name(name, "the new key")
    secret = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    kept = Key(name, right, _digest(secret), tuple(collections))
    return secret, _read(kept.line(), "the new key")


def read(lines: Iterable[str], source: str) -> tuple[Key, ...]:
    """Return the keys of some lines.

    Args:
        lines: one key each.
        source: where they are from, for messages.

    Raises:
        SettingsError: a line is none, or two are of one key; what stands there is not told, since it may be a key.
    """
    found = tuple(_keys(lines, source))
    if len(found) > MOST_KEYS:
        raise SettingsError(f"{source}: there are {len(found)} keys, and {MOST_KEYS} is the most; drop some")
    digests: dict[bytes, str] = {}
    for key in found:
        if key.digest in digests:
            raise SettingsError(f"{source}: {digests[key.digest]} and {key.name} are one key; make one for each")
        digests[key.digest] = key.name
    return found


def find(keys: Iterable[Key], secret: str) -> Key | None:
    """Return which key this is; that takes as long wherever it stands, and however much of it is right."""
    digest, found = _digest(secret), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def _keys(lines: Iterable[str], source: str) -> Iterator[Key]:
    for number, line in enumerate(lines, 1):
        if told := line.partition("#")[0].strip():
            yield _read(told, f"{source}: line {number}")


def _read(line: str, place: str) -> Key:
    name, right, digest, *collections = (*line.split(), "", "", "")[: max(3, len(line.split()))]
    _check_name(name, place)
    if right not in RIGHTS:
        raise SettingsError(f"{place}: the right of {name} is none of {', '.join(RIGHTS)}; write one of them")
    if not _DIGEST.fullmatch(digest):
        raise SettingsError(
            f"{place}: behind {name} {right} there must be the key's SHA-256, 64 digits 0-9 and a-f;"
            " `shortlist key new` makes a key and its line"
        )
    for one in collections:
        if not _COLLECTION.fullmatch(one):
            limit = "a name is 1 to 64 of a-z, 0-9, - and _, and may end in *"
            raise SettingsError(f"{place}: {shown(one)} is no collection of {name}: {limit}")
    return Key(name, RIGHTS[right], bytes.fromhex(digest), tuple(collections))


def _check_name(name: str, place: str) -> None:
    if not _NAME.fullmatch(name):
        limit = "1 to 64 letters, digits, dots, dashes and underscores"
        raise SettingsError(f"{place}: a key's name is {limit}; its line is NAME RIGHT SHA-256 [COLLECTION ...]")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
