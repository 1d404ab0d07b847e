"""Between the proto's messages and the pipeline's plain types, both ways. No logic beyond that.

Nothing is refused here: numbers that an enum does not have do not pass `request_parsing.py`, and the rules on what a
request may hold are the pipeline's.
"""

from collections.abc import Sequence

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.runtime.graph import ModelInfo
from shortlist.server.runtime.tokens import Tokens
from shortlist.server.search.fp32 import Agreement
from shortlist.server.search.limits import Limits
from shortlist.server.search.query import Found, Hit, Ranked, Timing
from shortlist.server.search.token_upkeep import TokenState
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from shortlist.server.storage.recall import Report
from shortlist.server.storage.snapshot import Snapshot
from shortlist.server.storage.token_vectors import TokenVectors

from . import enums, metadata


def document(message: pb.Document) -> Document:
    """Return a document of a request."""
    stored = metadata.stored(message.metadata) if message.HasField("metadata") else ""
    return Document(message.id, message.text, message.title, stored, message.source)


def vectors(messages: Sequence[pb.Document]) -> list[Sequence[float] | None]:
    """Return the vectors that documents of a request bring; None: it brings none."""
    return [message.vector or None for message in messages]


def metadata_update(message: pb.MetadataUpdate) -> tuple[str, str]:
    """Return an id and the metadata to set, as it is stored."""
    return message.id, metadata.stored(message.metadata) if message.metadata.fields else ""


def document_message(plain: Document, vector: NDArray[np.float32] | None = None) -> pb.Document:
    """Return a document as a message, whole."""
    return pb.Document(
        id=plain.id,
        text=plain.text,
        title=plain.title,
        metadata=metadata.message(plain.metadata),
        source=plain.source,
        vector=vector,
    )


def collection_message(plain: Collection, tokens: TokenState) -> pb.Collection:
    """Return a collection as a message."""
    created_at = Timestamp()
    created_at.FromDatetime(plain.created_at)
    return pb.Collection(
        name=plain.name,
        documents=len(plain),
        embedder=plain.origin.embedder,
        embedder_fingerprint=plain.origin.fingerprint,
        dimensions=plain.origin.dimensions,
        created_at=created_at,
        language=plain.choices.language,
        quantization=enums.QUANTIZATIONS_BACK[plain.choices.quantization],
        recall=_recall(plain.measured.report()),
        token_vectors=_token_vectors(plain.token_vectors, tokens),
    )


def _token_vectors(plain: TokenVectors, found: TokenState) -> pb.TokenVectors:
    return pb.TokenVectors(
        pooling=enums.TOKEN_POOLINGS_BACK[plain.pooling],
        state=enums.TOKEN_STATES[found.state],
        model=plain.model,
        model_fingerprint=plain.fingerprint,
        dimensions=plain.dimensions,
        documents=plain.documents,
        vectors=plain.vectors,
        size_bytes=plain.size_bytes,
        fault=found.fault,
    )


def _recall(plain: Report) -> pb.Recall:
    return pb.Recall(
        target=plain.target,
        state=enums.RECALL_STATES[plain.state],
        measured=plain.mean,
        error=plain.error,
        samples=plain.samples,
        beam=plain.beam,
    )


def snapshot_message(plain: Snapshot) -> pb.Snapshot:
    """Return a snapshot as a message."""
    created_at = Timestamp()
    created_at.FromDatetime(plain.manifest.created_at)
    return pb.Snapshot(
        name=plain.name,
        created_at=created_at,
        version=plain.manifest.version,
        collections=[
            pb.SnapshotCollection(
                name=copy.name,
                documents=copy.documents,
                embedder=copy.embedder,
                embedder_fingerprint=copy.fingerprint,
                size_bytes=copy.bytes,
            )
            for copy in plain.manifest.collections
        ],
    )


def search_response(found: Found, request: pb.SearchRequest, total_s: float) -> pb.SearchResponse:
    """Return what a search found, with as much of each document as the request asked for."""
    return pb.SearchResponse(
        hits=[_hit(hit, request) for hit in found.hits],
        reranked=found.reranked,
        candidates=found.candidates,
        mode=enums.MODES_BACK[found.mode],
        candidates_from=enums.SOURCES_BACK[found.candidates_from],
        selected=found.selected,
        limited_by=enums.LIMITS[found.limited_by],
        similarity_weight=found.similarity_weight,
        degraded=enums.DEGRADED[found.degraded],
        truncated=found.truncated,
        timing=timing_message(found.timing, total_s),
        matched=found.matched,
        filter_plan=enums.FILTER_PLANS[found.filter_plan],
        maxsim_scored=found.maxsim_scored,
        query_vectors=found.query_vectors,
    )


def timing_message(plain: Timing, total_s: float) -> pb.Timing:
    """Return where a call's time went, of so many seconds in all."""
    return pb.Timing(
        tokenize_ms=1000 * plain.spent.tokenize_s,
        queue_ms=1000 * plain.spent.queue_s,
        infer_ms=1000 * plain.spent.infer_s,
        retrieve_ms=1000 * plain.retrieve_s,
        write_ms=1000 * plain.write_s,
        total_ms=1000 * total_s,
        embed_ms=1000 * plain.embed_s,
        rerank_ms=1000 * plain.rerank_s,
        maxsim_ms=1000 * plain.maxsim_s,
    )


def rerank_response(ranked: Ranked, total_s: float) -> pb.RerankResponse:
    """Return scored documents, best first."""
    return pb.RerankResponse(
        results=[
            pb.RerankResult(index=one.index, score=one.score, logit=one.logit, maxsim=one.maxsim)
            for one in ranked.results
        ],
        reranked=ranked.reranked,
        degraded=enums.DEGRADED[ranked.degraded],
        truncated=ranked.truncated,
        timing=timing_message(ranked.timing, total_s),
        tokens=int(ranked.tokens.sum()),
    )


def tokenization_message(plain: Tokens) -> pb.Tokenization:
    """Return a text's tokens as a message."""
    return pb.Tokenization(ids=plain.ids, tokens=plain.tokens, truncated=plain.truncated)


def agreement_message(plain: Agreement) -> pb.Agreement:
    """Return how a variant agrees with fp32 as a message."""
    return pb.Agreement(samples=plain.samples, common=plain.common, difference=plain.difference)


def model_message(plain: ModelInfo) -> pb.ModelDescription:
    """Return a loaded model as a message."""
    return pb.ModelDescription(
        source=plain.source.model,
        revision=plain.source.revision,
        variant=plain.variant,
        provider=plain.provider,
        max_tokens=plain.max_tokens,
        dimensions=plain.dimensions,
        fingerprint=plain.fingerprint,
        variants=plain.variants,
        similarity_weight=plain.fusion.weight,
        similarity_center=plain.fusion.center,
    )


def limits_message(plain: Limits) -> pb.Limits:
    """Return the limits in force as a message."""
    return pb.Limits(
        max_top_k=plain.max_top_k,
        max_candidates=plain.max_candidates,
        max_batch=plain.max_batch,
        max_text_bytes=plain.max_text_bytes,
        auto_rerank_all=plain.auto_rerank_all,
        max_request_bytes=plain.max_request_bytes,
        auto_budget_ms=plain.auto_budget_ms,
        margin=plain.margin,
    )


def _hit(hit: Hit, request: pb.SearchRequest) -> pb.Hit:
    plain = hit.document
    return pb.Hit(
        id=plain.id,
        relevance=hit.relevance,
        score=hit.score,
        similarity=hit.similarity,
        rank=hit.rank,
        dense_rank=hit.dense_rank,
        lexical_rank=hit.lexical_rank,
        title=plain.title if request.include_text else "",
        text=plain.text if request.include_text else "",
        metadata=metadata.message(plain.metadata) if request.include_metadata else None,
        vector=hit.vector,
        logit=hit.logit,
        maxsim=hit.maxsim,
        maxsim_rank=hit.maxsim_rank,
    )
