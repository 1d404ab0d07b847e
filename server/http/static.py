"""Files that a page is made of: told apart by their content, under a policy that lets nothing else in."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.ui import assets

from .app import Route
from .call import Answer, Call
from .errors import UnknownRoute

# No other host, no inline script or style, no HTML out of strings, and no frame around it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
# What pages, and what they ask for, say of themselves to browsers.
GUARDS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_PAGE = GUARDS | {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",  # for browsers that know no frame-ancestors
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",  # browsers ask each time whether it changed: no two versions are mixed
}


def routes(path: str, files: Mapping[str, bytes]) -> list[Route]:
    """Return the routes of a page: its files by name below a path, its index there."""
    found = {name: _File.of(name, content) for name, content in files.items()}

    async def to_index(_: Call) -> Answer:
        return Answer(status=308, headers=GUARDS | {"location": f"{path.rpartition('/')[2]}/"})

    async def answer(call: Call) -> Answer:
        if (one := found.get(call.rest or assets.PAGE)) is None:
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
    def of(cls, name: str, content: bytes) -> "_File":
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return cls(content, assets.MEDIA_TYPES[assets.suffix(name)], tag)

    def answer(self, headers: Mapping[str, str]) -> Answer:
        """Return the file, or that the caller has it."""
        told = _PAGE | {"etag": self.tag}
        if self.tag in headers.get("if-none-match", ""):
            return Answer(status=304, headers=told)
        return Answer(self.content, content_type=self.media_type, headers=told)
