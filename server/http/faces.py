"""Every face that a server has over HTTP: the one list of them."""

import dataclasses

from shortlist.server.runtime.manifest import Kind

from . import connect, monitoring, openapi, page
from .app import Route
from .cohere import CohereEmbeddings
from .embeddings import Embeddings
from .models import Models
from .rerank import Reranking
from .served import Served
from .tei import Tei

_KINDS: tuple[Kind, ...] = ("embedder", "reranker")


def routes(served: Served) -> list[Route]:
    """Return the routes of all faces."""
    described = [
        *monitoring.routes(served.health, served.calls.metrics),
        *connect.routes(served.servicers, served.pipeline.limits.max_request_bytes),
        *CohereEmbeddings(served.pipeline).routes(),
        *Models(served.pipeline).routes(),
        *_of_one_model(served, served.settings.tei_model),
    ]
    health = monitoring.health_route(served.health, "/health")
    mounted = [_below(f"/{kind}", route) for kind in _KINDS for route in (*_of_one_model(served, kind), health)]
    own = [] if served.settings.reflection == "off" else openapi.routes(described)
    return [*described, *mounted, *own, *page.routes(served)]


def _of_one_model(served: Served, kind: Kind) -> list[Route]:
    """Return the faces of text-embeddings-inference, which has one model: here it is of this kind."""
    tei = Tei(served.servicers.tei.models, kind)
    return [
        *tei.routes(),
        *Reranking(served.pipeline, tei.rerank).routes(),
        *Embeddings(served.pipeline).routes(),
        *(monitoring.health_route(served.health, path) for path in ("/", "/ping")),
    ]


def _below(prefix: str, route: Route) -> Route:
    """Return a route below another path, which is not described once more."""
    return dataclasses.replace(route, path=(prefix + route.path).rstrip("/"), operation=None)
