"""Who calls, and whether they may: what both faces ask before anything else of a call is looked at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.server import observed
from shortlist.server.errors import PermissionDenied, SettingsError, Unauthenticated, cut
from shortlist.server.settings import Settings

from . import keys
from .keys import Key
from .rights import Need, Right
from .watched import Watched, content

# Where clients put their keys: ours and those of OpenAI, Cohere, Jina; Anthropic's and proxies'; Azure's, Qdrant's.
HEADERS = ("authorization", "x-api-key", "api-key")
_BEARER = "bearer "
_SHOWN_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a call is from, and what it wants."""

    key: Key
    need: Need

    def check(self, request: Any) -> None:
        """Check that the key is for the collections that a request is about, or for all where it names none.

        Args:
            request: a message, or a mapping.

        Raises:
            PermissionDenied: it is not.
        """
        if not self.need.of or not self.key.collections:
            return
        named = [name for path in self.need.of for name in _values(request, path)]
        if not named:
            raise PermissionDenied(f"the key {self.key.name} is for some collections; name one of them")
        for name in named:
            if not self.key.covers(name):
                told = cut(name, _SHOWN_CHARACTERS)
                raise PermissionDenied(f"the key {self.key.name} is for other collections than {told!r}")

    def keep_own(self, answer: Any) -> None:
        """Take out of an answer the collections that the key is not for."""
        if not self.need.shows or not self.key.collections:
            return
        shown = getattr(answer, self.need.shows)
        for place in reversed(range(len(shown))):
            if not self.key.covers(shown[place].name):
                del shown[place]


_NO_KEY = Key("", Right.ADMIN, b"")
# Who calls where no key is asked for.
ANYONE = Caller(_NO_KEY, Need(Right.OPEN))


class Access:
    """The keys of a server."""

    def __init__(self, settings: Settings) -> None:
        """Read the keys that the settings have or name.

        Raises:
            SettingsError: they cannot be read, or there are none in the file.
        """
        self._reflection = settings.reflection == "on"
        self._own, self._path = settings.keys, settings.key_file
        paths = [self._path] if self._path else []
        self._keys = Watched("the keys", paths, self._load)

    def caller(self, given: Mapping[str, str], need: Need) -> Caller:
        """Return who calls.

        Args:
            given: headers or metadata, by names in lower case.
            need: what is called.

        Raises:
            Unauthenticated: no key came that the server knows.
            PermissionDenied: the key may not.
        """
        if need.right is Right.OPEN or (need.describes and self._reflection):
            return Caller(_NO_KEY, need)
        known = self._keys.get()
        key = _found(known, given) if known else _NO_KEY
        if call := observed.current():
            call.key = key.name
        if key.right < need.right:
            right, wanted = key.right.name.lower(), need.right.name.lower()
            raise PermissionDenied(f"the key {key.name} has the right {right}, and this wants {wanted}")
        if need.everything and key.collections:
            raise PermissionDenied(f"the key {key.name} is for some collections, and this is about all of them")
        return Caller(key, need)

    def _load(self) -> tuple[Key, ...]:
        if self._path is None:
            return keys.read(self._own, "keys")
        source = f"key_file {self._path}"
        found = keys.read([*_lines(self._path), *self._own], source)
        if not found:
            raise SettingsError(f"{source}: there is no key in it; `shortlist key new` makes one")
        return found


def _lines(path: Path) -> list[str]:
    return content(path, "key_file").decode("utf-8", errors="replace").splitlines()


def _found(known: tuple[Key, ...], given: Mapping[str, str]) -> Key:
    """Return the key that came with a call.

    Raises:
        Unauthenticated: none came, or none of those that did is known.
    """
    came = [secret for name in HEADERS if (secret := _secret(given.get(name, "")))]
    for secret in came:
        if key := keys.find(known, secret):
            return key
    if came:
        raise Unauthenticated("the key that came with the call is none of this server's")
    raise Unauthenticated(
        "no key came with the call; send `authorization: Bearer KEY`, or the key in x-api-key or api-key"
    )


def _secret(value: str) -> str:
    """Return what a header holds, with or without the word that says what it is."""
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else value.strip()


def _values(request: Any, path: str) -> Iterator[str]:
    """Yield what a field holds, one name or several; nothing where it is empty."""
    for step in path.split("."):
        request = request.get(step, "") if isinstance(request, Mapping) else getattr(request, step)
    yield from filter(None, [request] if isinstance(request, str) else request)
