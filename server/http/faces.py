"""Every face that a server has over HTTP: the one list of them."""

from . import connect, monitoring, openapi, page
from .app import Route
from .cohere import CohereEmbeddings
from .embeddings import Embeddings
from .models import Models
from .rerank import Reranking
from .served import Served


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
    return [*described, *openapi.routes(described), *page.routes(served)]
