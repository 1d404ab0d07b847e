"""The page at /ui/, its state of the server, and the judgements that it keeps.

There is no authentication, and a browser sends what any page asks of it. So a page of another site is kept out three
times: what writes must be JSON, which a browser asks about first and is not allowed; an Origin must be this one
(`app.py`); and where the page is served to this machine alone, the name that it was called by must be a loopback's,
since another site's name may have been pointed here (DNS rebinding). The page's policy (CSP) allows no other host, no
inline script, and no HTML out of strings.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.server.errors import InvalidRequest
from shortlist.server.inference.caches import Cache
from shortlist.server.inference.lanes import Lane
from shortlist.server.listening import http_host, http_url, is_loopback
from shortlist.server.search.judging import Judging
from shortlist.server.storage.catalog import COLLECTIONS, JUDGEMENTS
from shortlist.server.storage.judgements import Judgements
from shortlist.ui import assets

from .app import Handler, Route
from .call import JSON, Answer, Call
from .errors import ForeignHost, UnknownRoute, WrongMediaType
from .served import Served

logger = logging.getLogger(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_PAGE = _COMMON | {"content-security-policy": POLICY, "cross-origin-opener-policy": "same-origin"}
_DATA = _COMMON | {"cache-control": "no-store"}


def routes(served: Served) -> list[Route]:
    """Return the routes of the page; none where it is not served."""
    settings = served.settings
    loopback = is_loopback(http_host(settings))
    if settings.ui == "off" or (settings.ui == "auto" and not loopback):
        return []
    pipeline, kept = served.pipeline, Judgements(settings.data / JUDGEMENTS)
    page = _Page(served, Judging(pipeline.contents, pipeline.limits, kept))
    found = {name: _Asset.of(name, content) for name, content in assets.files().items()}

    async def to_page(_: Call) -> Answer:
        return Answer(status=308, headers=_COMMON | {"location": "ui/"})

    async def asset(call: Call) -> Answer:
        if (one := found.get(call.rest or assets.PAGE)) is None:
            raise UnknownRoute("path", call.path, "the page has no such file", "open /ui/")
        return one.answer(call.headers)

    handlers = {
        ("GET", "/ui"): to_page,
        ("GET", "/ui/*"): asset,
        ("GET", "/ui/state"): page.state,
        ("GET", "/ui/sizes"): page.sizes,
        ("GET", "/ui/judgements"): page.judgements,
        ("POST", "/ui/judgements"): page.judge,
    }
    local = settings.ui == "auto"
    logger.info("the page is at %s/ui/", http_url(settings))
    return [Route(method, path, _local(one) if local else one) for (method, path), one in handlers.items()]


def _local(handler: Handler) -> Handler:
    """Return a handler for callers that name a loopback host."""

    async def answer(call: Call) -> Answer:
        host = call.headers.get("host", "")
        if not is_loopback(host if host.endswith("]") else host.rpartition(":")[0] or host):
            limit = "the page is served to this machine alone"
            raise ForeignHost("host", host, limit, "open it as localhost, or serve with --ui on")
        return await handler(call)

    return answer


@dataclass(frozen=True, slots=True)
class _Page:
    """What the page asks of its server, beside shortlist.v1."""

    served: Served
    judging: Judging

    async def state(self, _: Call) -> Answer:
        """Say what the server is at."""
        now = self.served.scheduler.statistics()
        lanes = zip(Lane, now.waiting_jobs, now.runs, now.tokens, strict=True)
        state = {
            "address": self.served.address,
            "slots": self.served.scheduler.slots,
            "running": now.running,
            "busy_s": now.busy_s,
            "faults": self.served.watchdog.faults,
            "waiting_tokens": now.waiting_tokens,
            "queue_tokens": self.served.settings.queue_tokens,
            "lanes": [
                {"name": lane.name.lower(), "waiting": waiting, "runs": runs, "tokens": tokens}
                for lane, waiting, runs, tokens in lanes
            ],
            "caches": [
                _cache("vectors", [one.cache for one in self.served.pipeline.embedders]),
                _cache("scores", [self.served.pipeline.scorer.cache]),
            ],
        }
        return Answer.json(state, headers=_DATA)

    async def sizes(self, _: Call) -> Answer:
        """Say what each collection takes on disk."""
        names = [one.name for one in self.served.pipeline.contents.collections()]
        folder = self.served.settings.data / COLLECTIONS
        sizes = await asyncio.to_thread(lambda: {name: _size_bytes(folder / name) for name in names})
        return Answer.json({"sizes": sizes}, headers=_DATA)

    async def judgements(self, call: Call) -> Answer:
        """Return what is said of a collection's answers."""
        name = call.query.get("collection", "")
        found = await self.judging.read(name)
        queries = [{"query": query, "grades": grades} for query, grades in found.items()]
        return Answer.json({"folder": str(self.judging.folder(name)), "queries": queries}, headers=_DATA)

    async def judge(self, call: Call) -> Answer:
        """Save what is said of a document."""
        kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:  # a form of another site's page can send what is none
            raise WrongMediaType("content-type", kind, "a judgement is JSON", f"send content-type: {JSON}")
        given = await call.json()
        if not isinstance(given, dict):
            raise InvalidRequest("body", given, "it must be an object", "send collection, query, document and grade")
        collection, query, document = (_text(given, name) for name in ("collection", "query", "document"))
        count = await self.judging.judge(collection, query, document, given.get("grade"))
        return Answer.json({"judgements": count}, headers=_DATA)


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file of the page, and what tells its content from any other."""

    content: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> "_Asset":
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return cls(content, assets.MEDIA_TYPES[assets.suffix(name)], tag)

    def answer(self, headers: Mapping[str, str]) -> Answer:
        """Return the file, or that the caller has it: browsers ask each time, so that no two versions are mixed."""
        told = _PAGE | {"etag": self.tag, "cache-control": "no-cache"}
        if self.tag in headers.get("if-none-match", ""):
            return Answer(status=304, headers=told)
        return Answer(self.content, content_type=self.media_type, headers=told)


def _cache(name: str, caches: Sequence[Cache[Any]]) -> dict[str, Any]:
    counts = {count: sum(getattr(one, count) for one in caches) for count in ("hits", "misses", "bytes")}
    return {"name": name, **counts}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(name, value, "it must be a string", "send it as one")
    return value


def _size_bytes(folder: Path) -> int:
    """Return what the files of a folder take; those that go meanwhile count for nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
