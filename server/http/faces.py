"""Every face that a server has over HTTP: the one list of them."""

from dataclasses import dataclass

from shortlist.server.rpc.health import Health
from shortlist.server.rpc.metrics import Metrics
from shortlist.server.rpc.server import Servicers
from shortlist.server.search.pipeline import Pipeline

from . import connect, monitoring, openapi
from .app import Route
from .cohere import CohereEmbeddings
from .embeddings import Embeddings
from .models import Models
from .rerank import Reranking


@dataclass(frozen=True, slots=True)
class Served:
    """What faces translate to."""

    pipeline: Pipeline
    servicers: Servicers  # of shortlist.v1
    health: Health
    metrics: Metrics


def routes(served: Served) -> list[Route]:
    """Return the routes of all faces."""
    described = [
        *monitoring.routes(served.health, served.metrics),
        *connect.routes(served.servicers, served.pipeline.limits.max_request_bytes),
        *Reranking(served.pipeline).routes(),
        *Embeddings(served.pipeline).routes(),
        *CohereEmbeddings(served.pipeline).routes(),
        *Models(served.pipeline).routes(),
    ]
    return [*described, *openapi.routes(described)]
