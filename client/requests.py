"""Plain types to the wire's requests on documents and searches: one function a call, shared by both clients.

What the wire cannot hold is refused here. Limits that are the server's own are left to it, so that they stand
in one place.
"""

from collections.abc import Iterable, Mapping

from shortlist.proto import retrieval_pb2 as pb

from . import arguments, collection_messages, errors, filter_requests, types
from .filters import Where
from .metadata import to_struct

MODES: dict[types.Mode, pb.Mode.ValueType] = {
    "auto": pb.MODE_AUTO,
    "two-stage": pb.MODE_TWO_STAGE,
    "dense": pb.MODE_DENSE,
    "rerank-all": pb.MODE_RERANK_ALL,
    "late-interaction": pb.MODE_LATE_INTERACTION,
    "cascade": pb.MODE_CASCADE,
}
SOURCES: dict[types.CandidatesFrom, pb.CandidatesFrom.ValueType] = {
    "dense": pb.CANDIDATES_FROM_DENSE,
    "lexical": pb.CANDIDATES_FROM_LEXICAL,
    "hybrid": pb.CANDIDATES_FROM_HYBRID,
}
_FUSIONS: dict[types.RankFusion, pb.RankFusion.ValueType] = {
    "distribution": pb.RANK_FUSION_DISTRIBUTION,
    "rrf": pb.RANK_FUSION_RRF,
}


def upsert(collection: str, documents: Iterable[types.Document]) -> pb.UpsertRequest:
    """Make the request to insert or replace documents."""
    return pb.UpsertRequest(
        collection=arguments.text("collection", collection),
        documents=[
            document(one, f"documents[{place}]")
            for place, one in enumerate(arguments.several("documents", documents, "documents"))
        ],
    )


def ingest_start(collection: str, *, create: bool) -> pb.IngestRequest:
    """Make the first message of an ingest."""
    if arguments.flag("create", create):
        return pb.IngestRequest(start=pb.IngestStart(create=collection_messages.create(collection, exist_ok=True)))
    return pb.IngestRequest(start=pb.IngestStart(collection=arguments.text("collection", collection)))


def delete(collection: str, ids: Iterable[str], where: Where | None) -> pb.DeleteRequest:
    """Make the request to delete documents."""
    return pb.DeleteRequest(
        collection=arguments.text("collection", collection),
        ids=arguments.texts("ids", ids),
        where=filter_requests.where(where),
    )


def count(collection: str, where: Where | None) -> pb.CountRequest:
    """Make the request to count documents."""
    return pb.CountRequest(collection=arguments.text("collection", collection), where=filter_requests.where(where))


def update_metadata(collection: str, metadata: object) -> pb.UpdateMetadataRequest:
    """Make the request to set documents' metadata."""
    if not isinstance(metadata, Mapping):
        remedy = "pass a dict with ids as keys"
        raise errors.invalid("metadata", metadata, "it must be a mapping of ids to metadata", remedy)
    return pb.UpdateMetadataRequest(
        collection=arguments.text("collection", collection),
        documents=[
            pb.MetadataUpdate(
                id=arguments.text("metadata: id", identifier),
                metadata=to_struct(one, f"metadata of document {identifier!r}"),
            )
            for identifier, one in metadata.items()
        ],
    )


def get(collection: str, ids: Iterable[str], *, skip_missing: bool, include_vectors: bool) -> pb.GetRequest:
    """Make the request to get documents."""
    return pb.GetRequest(
        collection=arguments.text("collection", collection),
        ids=arguments.texts("ids", ids),
        skip_missing=arguments.flag("skip_missing", skip_missing),
        include_vectors=arguments.flag("include_vectors", include_vectors),
    )


def list_page(
    collection: str, page_size: int | None, page_token: str, *, source: str, ids_only: bool, where: Where | None
) -> pb.ListRequest:
    """Make the request for one page of documents."""
    return pb.ListRequest(
        collection=arguments.text("collection", collection),
        page_size=arguments.count("page_size", page_size),
        page_token=page_token,
        source=arguments.text("source", source),
        ids_only=arguments.flag("ids_only", ids_only),
        where=filter_requests.where(where),
    )


def sources_page(collection: str, below: str, page_size: int | None, page_token: str) -> pb.ListSourcesRequest:
    """Make the request for one page of sources."""
    return pb.ListSourcesRequest(
        collection=arguments.text("collection", collection),
        below=arguments.text("below", below),
        page_size=arguments.count("page_size", page_size),
        page_token=page_token,
    )


def search(
    collection: str,
    query: str,
    top_k: int,
    candidates: int | None,
    rerank_candidates: int | None,
    mode: types.Mode,
    include_text: bool,
    include_metadata: bool,
    similarity_weight: float | None,
    margin: float | None,
    include_vectors: bool,
    where: Where | None,
    candidates_from: types.CandidatesFrom | None,
    rank_fusion: types.RankFusion,
    fresh: bool,
) -> pb.SearchRequest:
    """Make the request for a search."""
    return pb.SearchRequest(
        collection=arguments.text("collection", collection),
        query=arguments.text("query", query),
        top_k=arguments.count("top_k", top_k),
        candidates=arguments.count("candidates", candidates),
        rerank_candidates=arguments.count("rerank_candidates", rerank_candidates),
        mode=arguments.choice("mode", mode, MODES),
        include_text=arguments.flag("include_text", include_text),
        include_metadata=arguments.flag("include_metadata", include_metadata),
        similarity_weight=arguments.number_if_any("similarity_weight", similarity_weight),
        margin=arguments.number_if_any("margin", margin),
        include_vectors=arguments.flag("include_vectors", include_vectors),
        where=filter_requests.where(where),
        candidates_from=arguments.choice_if_any("candidates_from", candidates_from, SOURCES),
        rank_fusion=arguments.choice("rank_fusion", rank_fusion, _FUSIONS),
        fresh=arguments.flag("fresh", fresh),
    )


def document(plain: object, field: str = "document") -> pb.Document:
    """Convert a document for the wire.

    Raises:
        InvalidRequest: it is none, or a field cannot be sent as it is; the message names the document.
    """
    if not isinstance(plain, types.Document):
        remedy = "write Document(**it)" if isinstance(plain, Mapping) else "write Document(id, text)"
        raise errors.invalid(field, plain, "it must be a Document", remedy)
    arguments.text("document id", plain.id)
    where = f"document {plain.id!r}"
    metadata = to_struct(plain.metadata, f"{where}: metadata")
    return pb.Document(
        id=plain.id,
        text=arguments.text(f"{where}: text", plain.text),
        title=arguments.text(f"{where}: title", plain.title),
        # An empty Struct is not the same bytes as none.
        metadata=metadata if metadata.fields else None,
        source=arguments.text(f"{where}: source", plain.source),
        vector=arguments.vector(f"{where}: vector", plain.vector),
    )
