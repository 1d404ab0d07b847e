"""Which right each RPC and each route wants: the one table of it.

What is not in it is served to nobody: a route without a line stops the start, an RPC without one fails. Rights are
steps, so a key that may write may read. A key may be for some collections; `of` says which fields of a request name
those that it is about, and `everything` that it is about all of them, or the whole server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Right(IntEnum):
    """What a caller may do; each step includes those below."""

    OPEN = 0  # no key is asked for
    READ = 1
    WRITE = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Need:
    """What an RPC or a route wants of its caller."""

    right: Right
    of: tuple[str, ...] = ()  # fields of the request that name collections; dots lead into messages
    everything: bool = False  # it is about all collections: a key that is for some does not do
    shows: str = ""  # the field of the answer that lists collections, of which a key sees its own
    describes: bool = False  # the API alone, which the setting `reflection` may open to everyone


_OPEN = Need(Right.OPEN)
_READ = Need(Right.READ)
_READ_ALL = Need(Right.READ, everything=True)
_READ_ONE = Need(Right.READ, of=("collection",))
_WRITE_ONE = Need(Right.WRITE, of=("collection",))
_ADMIN_ONE = Need(Right.ADMIN, of=("collection",))
_ADMIN_ALL = Need(Right.ADMIN, everything=True)
_DESCRIBES = Need(Right.READ, describes=True)

_RERANKING = ("/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking", "/v1/ranking")
_EMBEDDING = ("/embeddings", "/v1/embeddings", "/v1/embed", "/v2/embed")
_TEI = (
    "/embed",
    "/embed_all",
    "/embed_sparse",
    "/predict",
    "/similarity",
    "/tokenize",
    "/decode",
    "/invocations",
    "/",
)

_RETRIEVAL, _INFERENCE = "/shortlist.v1.Retrieval/", "/shortlist.v1.Inference/"
_SNAPSHOTS, _REINDEXES = "/shortlist.v1.Snapshots/", "/shortlist.v1.Reindexes/"

# By the path that gRPC and Connect call them by.
RPCS: Mapping[str, Need] = {
    f"{_RETRIEVAL}CreateCollection": Need(Right.WRITE, of=("name",)),
    f"{_RETRIEVAL}DropCollection": Need(Right.ADMIN, of=("name",)),
    f"{_RETRIEVAL}SetTokenVectors": _ADMIN_ONE,
    f"{_RETRIEVAL}ListCollections": Need(Right.READ, shows="collections"),
    f"{_RETRIEVAL}Upsert": _WRITE_ONE,
    f"{_RETRIEVAL}Ingest": Need(Right.WRITE, of=("start.collection", "start.create.name")),
    f"{_RETRIEVAL}Delete": _WRITE_ONE,
    f"{_RETRIEVAL}UpdateMetadata": _WRITE_ONE,
    f"{_RETRIEVAL}Get": _READ_ONE,
    f"{_RETRIEVAL}List": _READ_ONE,
    f"{_RETRIEVAL}Count": _READ_ONE,
    f"{_RETRIEVAL}ListSources": _READ_ONE,
    f"{_RETRIEVAL}Search": _READ_ONE,
    f"{_INFERENCE}Embed": _READ,
    f"{_INFERENCE}Rerank": _READ,
    f"{_INFERENCE}Tokenize": _READ,
    f"{_INFERENCE}Describe": _READ,
    f"{_SNAPSHOTS}CreateSnapshot": Need(Right.ADMIN, of=("collections",)),
    f"{_SNAPSHOTS}ListSnapshots": _ADMIN_ALL,
    # A snapshot's collections may be of others, under names that are this key's.
    f"{_SNAPSHOTS}RestoreSnapshot": _ADMIN_ALL,
    f"{_SNAPSHOTS}DropSnapshot": _ADMIN_ALL,
    # It names a folder of the server's machine, and loads a model beside the server's own.
    f"{_REINDEXES}StartReindex": _ADMIN_ALL,
    f"{_REINDEXES}GetReindex": _READ_ONE,
    f"{_REINDEXES}CancelReindex": _ADMIN_ALL,
    **{
        f"/tei.v1.{method}": _READ
        for method in (
            *("Info/Info", "Embed/Embed", "Embed/EmbedStream", "Embed/EmbedSparse", "Embed/EmbedSparseStream"),
            *("Embed/EmbedAll", "Embed/EmbedAllStream", "Predict/Predict", "Predict/PredictPair"),
            *("Predict/PredictStream", "Predict/PredictPairStream", "Rerank/Rerank", "Rerank/RerankStream"),
            *("Tokenize/Tokenize", "Tokenize/TokenizeStream", "Tokenize/Decode", "Tokenize/DecodeStream"),
        )
    },
    **{f"/grpc.health.v1.Health/{method}": _OPEN for method in ("Check", "List", "Watch")},
    **{
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo": _DESCRIBES
        for version in ("v1", "v1alpha")
    },
}

# By method and path, without the /embedder and /reranker that stand before those of one model.
ROUTES: Mapping[str, Need] = {
    **{f"GET {path}": _OPEN for path in ("/", "/health", "/ping")},
    # Files that everybody can read in the repository. What they ask of the server wants a key like any other call.
    **{f"GET {path}": _OPEN for path in ("/ui", "/ui/*")},
    **{f"GET {path}": _DESCRIBES for path in ("/docs", "/docs/*", "/openapi.json")},
    **{f"POST {path}": _READ for path in (*_RERANKING, *_EMBEDDING, *_TEI)},
    **{f"GET {path}": _READ for path in ("/info", "/v1/models", "/v1/models/*")},
    "GET /metrics": _READ_ALL,
    "GET /ui/state": _READ,
    "GET /ui/sizes": _READ,  # of the collections that the key is for
    "GET /ui/judgements": _READ_ONE,
    "POST /ui/judgements": _WRITE_ONE,
}


_OF_ONE_MODEL = ("/embedder", "/reranker")


def of_route(method: str, path: str) -> Need:
    """Return what a route wants: an RPC by Connect what it wants over gRPC.

    Raises:
        LookupError: the table does not say.
    """
    for prefix in _OF_ONE_MODEL:
        if path == prefix or path.startswith(f"{prefix}/"):
            path = path.removeprefix(prefix) or "/"
    found = ROUTES.get(f"{method} {path}") or RPCS.get(path)
    if found is None:
        raise LookupError(f"access/rights.py does not say which right {method} {path} wants")
    return found
