"""Files that a page is made of: read once, told apart by their content, under a policy that lets nothing else in."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from .app import Route
from .call import Answer, Call
from .errors import UnknownRoute

_INDEX = "index.html"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# No other host, no inline script or style, no HTML out of strings, and no frame around it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",  # browsers ask each time whether it changed: no two versions are mixed
}


def routes(path: str, folder: Traversable) -> list[Route]:
    """Return the routes of a page: its files below a path, its index there."""
    found = {one.name: _File.of(one) for one in folder.iterdir() if _suffix(one.name) in _MEDIA_TYPES}

    async def to_index(_: Call) -> Answer:
        return Answer(status=308, headers={"location": f"{path.rpartition('/')[2]}/"})

    async def answer(call: Call) -> Answer:
        if (one := found.get(call.rest or _INDEX)) is None:
            raise UnknownRoute("path", call.path, "the page has no such file", f"open {path}/")
        return one.answer(call.headers)

    return [Route("GET", path, to_index), Route("GET", f"{path}/*", answer)]


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a page, and what tells its content from any other."""

    content: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, path: Traversable) -> "_File":
        content = path.read_bytes()
        return cls(content, _MEDIA_TYPES[_suffix(path.name)], f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def answer(self, headers: Mapping[str, str]) -> Answer:
        """Return the file, or that the caller has it."""
        told = {**_HEADERS, "etag": self.tag}
        if self.tag in headers.get("if-none-match", ""):
            return Answer(status=304, headers=told)
        return Answer(self.content, content_type=self.media_type, headers=told)


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
