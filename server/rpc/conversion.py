"""Between the proto's messages and the pipeline's plain types, both ways. No logic beyond that.

Nothing is refused here: numbers that an enum does not have do not pass `request_parsing.py`, and the rules on what a
request may hold are the pipeline's.
"""

from collections.abc import Sequence

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.inference.result import Degraded
from shortlist.server.runtime.graph import ModelInfo
from shortlist.server.runtime.manifest import Kind, TextKind
from shortlist.server.runtime.tokens import Tokens
from shortlist.server.search.candidates import CandidatesFrom, RankFusion
from shortlist.server.search.fp32 import Agreement
from shortlist.server.search.limits import Limits
from shortlist.server.search.query import Found, Hit, LimitedBy, Mode, Ranked, Timing
from shortlist.server.storage.choices import Quantization
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from shortlist.server.storage.filtered import Plan
from shortlist.server.storage.recall import Report, State
from shortlist.server.storage.snapshot import Snapshot

from . import metadata

_MODES: dict[pb.Mode.ValueType, Mode] = {
    pb.MODE_UNSPECIFIED: "auto",
    pb.MODE_AUTO: "auto",
    pb.MODE_TWO_STAGE: "two-stage",
    pb.MODE_DENSE: "dense",
    pb.MODE_RERANK_ALL: "rerank-all",
}
_MODES_BACK = {plain: message for message, plain in _MODES.items()}  # the last of two wins: MODE_AUTO
_SOURCES: dict[pb.CandidatesFrom.ValueType, CandidatesFrom | None] = {
    pb.CANDIDATES_FROM_UNSPECIFIED: None,
    pb.CANDIDATES_FROM_DENSE: "dense",
    pb.CANDIDATES_FROM_LEXICAL: "lexical",
    pb.CANDIDATES_FROM_HYBRID: "hybrid",
}
_SOURCES_BACK = {plain: message for message, plain in _SOURCES.items()}
_FUSIONS: dict[pb.RankFusion.ValueType, RankFusion] = {
    pb.RANK_FUSION_UNSPECIFIED: "distribution",
    pb.RANK_FUSION_DISTRIBUTION: "distribution",
    pb.RANK_FUSION_RRF: "rrf",
}
_LIMITS: dict[LimitedBy, pb.LimitedBy.ValueType] = {
    "none": pb.LIMITED_BY_NONE,
    "margin": pb.LIMITED_BY_MARGIN,
    "budget": pb.LIMITED_BY_BUDGET,
}
_FILTER_PLANS: dict[Plan | None, pb.FilterPlan.ValueType] = {
    None: pb.FILTER_PLAN_NONE,
    "exact": pb.FILTER_PLAN_EXACT,
    "index": pb.FILTER_PLAN_INDEX,
}
_QUANTIZATIONS: dict[pb.Quantization.ValueType, Quantization | None] = {
    pb.QUANTIZATION_UNSPECIFIED: None,
    pb.QUANTIZATION_NONE: "none",
    pb.QUANTIZATION_INT8: "int8",
}
_QUANTIZATIONS_BACK = {plain: message for message, plain in _QUANTIZATIONS.items()}
_RECALL_STATES: dict[State, pb.RecallState.ValueType] = {
    "exact": pb.RECALL_STATE_EXACT,
    "unmeasured": pb.RECALL_STATE_UNMEASURED,
    "met": pb.RECALL_STATE_MET,
    "missed": pb.RECALL_STATE_MISSED,
}
_DEGRADED: dict[Degraded, pb.Degraded.ValueType] = {
    "none": pb.DEGRADED_NONE,
    "deadline": pb.DEGRADED_DEADLINE,
    "inference-failed": pb.DEGRADED_INFERENCE_FAILED,
}
_KINDS: dict[pb.TextKind.ValueType, TextKind] = {
    pb.TEXT_KIND_UNSPECIFIED: "document",
    pb.TEXT_KIND_QUERY: "query",
    pb.TEXT_KIND_DOCUMENT: "document",
}
_MODELS: dict[pb.Model.ValueType, Kind] = {
    pb.MODEL_UNSPECIFIED: "embedder",
    pb.MODEL_EMBEDDER: "embedder",
    pb.MODEL_RERANKER: "reranker",
}


def mode(message: pb.Mode.ValueType) -> Mode:
    """Return a search's mode."""
    return _MODES[message]


def quantization(message: pb.Quantization.ValueType) -> Quantization | None:
    """Return how an index is to hold vectors; None where the request leaves that open."""
    return _QUANTIZATIONS[message]


def candidates_from(message: pb.CandidatesFrom.ValueType) -> CandidatesFrom | None:
    """Return what candidates are to come from; None where the request leaves that to the mode."""
    return _SOURCES[message]


def rank_fusion(message: pb.RankFusion.ValueType) -> RankFusion:
    """Return how two rankings become one."""
    return _FUSIONS[message]


def text_kind(message: pb.TextKind.ValueType) -> TextKind:
    """Return what a text is to the embedder."""
    return _KINDS[message]


def model(message: pb.Model.ValueType) -> Kind:
    """Return which model is asked for."""
    return _MODELS[message]


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


def collection_message(plain: Collection) -> pb.Collection:
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
        quantization=_QUANTIZATIONS_BACK[plain.choices.quantization],
        recall=_recall(plain.measured.report()),
    )


def _recall(plain: Report) -> pb.Recall:
    return pb.Recall(
        target=plain.target,
        state=_RECALL_STATES[plain.state],
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
        mode=_MODES_BACK[found.mode],
        candidates_from=_SOURCES_BACK[found.candidates_from],
        selected=found.selected,
        limited_by=_LIMITS[found.limited_by],
        similarity_weight=found.similarity_weight,
        degraded=_DEGRADED[found.degraded],
        truncated=found.truncated,
        timing=timing_message(found.timing, total_s),
        matched=found.matched,
        filter_plan=_FILTER_PLANS[found.filter_plan],
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
    )


def rerank_response(ranked: Ranked, total_s: float) -> pb.RerankResponse:
    """Return scored documents, best first."""
    return pb.RerankResponse(
        results=[pb.RerankResult(index=index, score=score) for index, score in ranked.results],
        reranked=ranked.reranked,
        degraded=_DEGRADED[ranked.degraded],
        truncated=ranked.truncated,
        timing=timing_message(ranked.timing, total_s),
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
    )
