"""Plain types to the wire's requests: one function a call, shared by both clients.

What the wire cannot hold is refused here. Limits that are the server's own are left to it, so that they stand
in one place.
"""

from collections.abc import Iterable
from typing import TypeVar

from shortlist.client import errors, types
from shortlist.client.metadata import check_text, to_struct
from shortlist.proto import retrieval_pb2 as pb

MODES: dict[types.Mode, pb.Mode.ValueType] = {
    "auto": pb.MODE_AUTO,
    "two-stage": pb.MODE_TWO_STAGE,
    "dense": pb.MODE_DENSE,
    "rerank-all": pb.MODE_RERANK_ALL,
}
_KINDS: dict[types.TextKind, pb.TextKind.ValueType] = {
    "query": pb.TEXT_KIND_QUERY,
    "document": pb.TEXT_KIND_DOCUMENT,
}
_MODELS: dict[types.Model, pb.Model.ValueType] = {
    "embedder": pb.MODEL_EMBEDDER,
    "reranker": pb.MODEL_RERANKER,
}

_Name = TypeVar("_Name")
_Number = TypeVar("_Number", bound=int)


def create_collection(name: str, *, exist_ok: bool) -> pb.CreateCollectionRequest:
    """Make the request to create a collection."""
    return pb.CreateCollectionRequest(name=check_text("name", name), exist_ok=exist_ok)


def drop_collection(name: str) -> pb.DropCollectionRequest:
    """Make the request to drop a collection."""
    return pb.DropCollectionRequest(name=check_text("name", name))


def upsert(collection: str, documents: Iterable[types.Document]) -> pb.UpsertRequest:
    """Make the request to insert or replace documents."""
    return pb.UpsertRequest(
        collection=check_text("collection", collection), documents=[document(one) for one in documents]
    )


def delete(collection: str, ids: Iterable[str]) -> pb.DeleteRequest:
    """Make the request to delete documents."""
    return pb.DeleteRequest(collection=check_text("collection", collection), ids=_texts("ids", ids))


def get(collection: str, ids: Iterable[str]) -> pb.GetRequest:
    """Make the request to get documents."""
    return pb.GetRequest(collection=check_text("collection", collection), ids=_texts("ids", ids))


def list_page(collection: str, page_size: int | None, page_token: str) -> pb.ListRequest:
    """Make the request for one page of documents."""
    return pb.ListRequest(
        collection=check_text("collection", collection),
        page_size=_count("page_size", page_size),
        page_token=page_token,
    )


def search(
    collection: str,
    query: str,
    *,
    top_k: int,
    candidates: int | None,
    mode: types.Mode,
    include_text: bool,
    include_metadata: bool,
    blend: float | None,
    margin: float | None,
) -> pb.SearchRequest:
    """Make the request for a search."""
    return pb.SearchRequest(
        collection=check_text("collection", collection),
        query=check_text("query", query),
        top_k=_count("top_k", top_k),
        candidates=_count("candidates", candidates),
        mode=_enum("mode", mode, MODES),
        include_text=include_text,
        include_metadata=include_metadata,
        blend=blend,
        margin=margin,
    )


def embed(texts: Iterable[str], kind: types.TextKind) -> pb.EmbedRequest:
    """Make the request for vectors."""
    return pb.EmbedRequest(texts=_texts("texts", texts), kind=_enum("kind", kind, _KINDS))


def rerank(query: str, documents: Iterable[str], top_k: int | None) -> pb.RerankRequest:
    """Make the request for scores."""
    return pb.RerankRequest(
        query=check_text("query", query),
        documents=_texts("documents", documents),
        top_k=_count("top_k", top_k),
    )


def tokenize(
    texts: Iterable[str], *, model: types.Model, query: str, kind: types.TextKind, ends_only: bool
) -> pb.TokenizeRequest:
    """Make the request for tokens."""
    return pb.TokenizeRequest(
        texts=_texts("texts", texts),
        model=_enum("model", model, _MODELS),
        query=check_text("query", query),
        kind=_enum("kind", kind, _KINDS),
        ends_only=ends_only,
    )


def document(plain: types.Document) -> pb.Document:
    """Convert a document for the wire.

    Raises:
        InvalidRequest: a field cannot be sent as it is; the message names the document.
    """
    check_text("document id", plain.id)
    where = f"document {plain.id!r}"
    metadata = to_struct(plain.metadata, f"{where}: metadata")
    return pb.Document(
        id=plain.id,
        text=check_text(f"{where}: text", plain.text),
        title=check_text(f"{where}: title", plain.title),
        # An empty Struct is not the same bytes as none.
        metadata=metadata if metadata.fields else None,
    )


def _texts(field: str, values: Iterable[str]) -> list[str]:
    # A string is an iterable of strings, and never what was meant.
    if isinstance(values, str):
        raise errors.invalid(field, values, "it must be several strings", "pass a list")
    return [check_text(f"{field}[{place}]", value) for place, value in enumerate(values)]


def _count(field: str, value: int | None) -> int | None:
    # What protobuf's uint32 holds; the narrower limits are the server's.
    if value is not None and not (isinstance(value, int) and 0 <= value < 2**32):
        raise errors.invalid(field, value, "it must be a whole number, 0 or more", "leave it out for the default")
    return value


def _enum(field: str, name: _Name, numbers: dict[_Name, _Number]) -> _Number:
    if name not in numbers:
        allowed = ", ".join(repr(known) for known in numbers)
        raise errors.invalid(field, name, f"it must be one of {allowed}", "choose one of them")
    return numbers[name]
