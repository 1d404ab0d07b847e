"""GET /health and GET /metrics: what watches a server asks over HTTP."""

import asyncio

from shortlist.server.errors import NotServing
from shortlist.server.observing.metrics import Metrics
from shortlist.server.rpc.health import Health

from .app import Route
from .call import Answer, Call
from .operations import operation


def routes(health: Health, metrics: Metrics) -> list[Route]:
    """Return the routes of a server's health and its numbers."""

    async def tell_metrics(call: Call) -> Answer:
        # In a thread: sizes of files are among them.
        text, content_type = await asyncio.to_thread(metrics.text, call.headers.get("accept", ""))
        return Answer(text, content_type=content_type)

    counted = operation("Say what the server does, in Prometheus's format", tag="server", media_type="text/plain")
    return [health_route(health, "/health"), Route("GET", "/metrics", tell_metrics, operation=counted)]


def health_route(health: Health, path: str) -> Route:
    """Return the route of a server's health at a path: clients of other servers ask at theirs."""

    async def tell(_: Call) -> Answer:
        if not health.serving:
            raise NotServing("the server starts, stops, or none of its slots works; its log says which")
        return Answer(content_type="text/plain")

    told = operation("Say whether the server serves: 200 or 503", tag="server", media_type="text/plain")
    return Route("GET", path, tell, operation=told)
