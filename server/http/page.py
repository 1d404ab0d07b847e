"""The page at /ui/, its state of the server, and the judgements that it keeps.

Its files are open to whom the page is served to; what they ask of the server wants a key like any call, where there
are keys: a person types it, and no cookie keeps it. Where there are none, a browser sends what any page asks of it.
So a page of another site is kept out three times: what writes must be JSON, which a browser asks about first and is
not allowed; an Origin must be this one (`app.py`); and where the page is served to this machine alone, the name that
it was called by must be a loopback's, since another site's name may have been pointed here (DNS rebinding).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shortlist.server.errors import InvalidRequest
from shortlist.server.inference.caches import Cache
from shortlist.server.inference.lanes import Lane
from shortlist.server.listening import http_host, http_url, is_loopback
from shortlist.server.search.judging import Judging
from shortlist.server.storage.data_folder import JUDGEMENTS
from shortlist.server.storage.judgements import Judgements
from shortlist.ui import assets

from . import static
from .app import Handler, Route, check_local
from .call import JSON, Answer, Call
from .errors import WrongMediaType
from .served import Served

logger = logging.getLogger(__name__)

_DATA = static.GUARDS | {"cache-control": "no-store"}


def routes(served: Served) -> list[Route]:
    """Return the routes of the page; none where it is not served."""
    settings = served.settings
    loopback = is_loopback(http_host(settings))
    if settings.ui == "off" or (settings.ui == "auto" and not loopback):
        return []
    pipeline, kept = served.pipeline, Judgements(settings.data / JUDGEMENTS)
    page = _Page(served, Judging(pipeline.contents, pipeline.limits, kept))
    handlers = {
        ("GET", "/ui/state"): page.state,
        ("GET", "/ui/sizes"): page.sizes,
        ("GET", "/ui/judgements"): page.judgements,
        ("POST", "/ui/judgements"): page.judge,
    }
    logger.info("the page is at %s/ui/", http_url(settings))
    found = [
        *static.routes("/ui", assets.files()),
        *(Route(method, path, handler) for (method, path), handler in handlers.items()),
    ]
    return [replace(one, handler=_local(one.handler)) for one in found] if settings.ui == "auto" else found


def _local(handler: Handler) -> Handler:
    """Return a handler for callers that name a loopback host."""

    async def answer(call: Call) -> Answer:
        check_local(call.headers)
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
        late_interaction = self.served.pipeline.late_interaction
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
                *([] if late_interaction is None else [_cache("token vectors", [late_interaction.cache])]),
            ],
        }
        return Answer.json(state, headers=_DATA)

    async def sizes(self, call: Call) -> Answer:
        """Say what each collection takes on disk, of those that the caller's key is for."""
        found = [one for one in self.served.pipeline.contents.collections() if call.caller.key.covers(one.name)]
        sizes = await asyncio.to_thread(lambda: {one.name: sum(one.disk_bytes().values()) for one in found})
        return Answer.json({"sizes": sizes}, headers=_DATA)

    async def judgements(self, call: Call) -> Answer:
        """Return what is said of a collection's answers."""
        call.caller.check(call.query)
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
        call.caller.check({"collection": collection})
        count = await self.judging.judge(collection, query, document, given.get("grade"))
        return Answer.json({"judgements": count}, headers=_DATA)


def _cache(name: str, caches: Sequence[Cache[Any]]) -> dict[str, Any]:
    counts = {count: sum(getattr(one, count) for one in caches) for count in ("hits", "misses", "bytes")}
    return {"name": name, **counts}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(name, value, "it must be a string", "send it as one")
    return value
