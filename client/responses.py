"""The wire's responses on documents, searches and models to plain types, shared by both clients."""

from shortlist.proto import retrieval_pb2 as pb

from . import description, enums, errors, types
from .metadata import from_struct
from .requests import MODES, SOURCES

_DEGRADED: dict[types.Degraded | None, pb.Degraded.ValueType] = {
    None: pb.DEGRADED_NONE,
    "deadline": pb.DEGRADED_DEADLINE,
    "inference-failed": pb.DEGRADED_INFERENCE_FAILED,
}
_LIMITED_BY: dict[types.LimitedBy | None, pb.LimitedBy.ValueType] = {
    None: pb.LIMITED_BY_NONE,
    "margin": pb.LIMITED_BY_MARGIN,
    "budget": pb.LIMITED_BY_BUDGET,
}

_FILTER_PLANS: dict[types.FilterPlan | None, pb.FilterPlan.ValueType] = {
    None: pb.FILTER_PLAN_NONE,
    "exact": pb.FILTER_PLAN_EXACT,
    "index": pb.FILTER_PLAN_INDEX,
}

_OUTCOMES: dict[types.IngestOutcome, pb.IngestOutcome.ValueType] = {
    "inserted": pb.INGEST_OUTCOME_INSERTED,
    "updated": pb.INGEST_OUTCOME_UPDATED,
    "unchanged": pb.INGEST_OUTCOME_UNCHANGED,
    "refused": pb.INGEST_OUTCOME_REFUSED,
}


def upsert(response: pb.UpsertResponse) -> types.UpsertResult:
    """Convert what became of an upsert."""
    return types.UpsertResult(
        inserted=response.inserted,
        updated=response.updated,
        unchanged=response.unchanged,
        truncated=response.truncated,
        timing=_timing(response.timing),
    )


def ingest(result: pb.IngestResult, index: int, document: types.Document) -> types.IngestResult:
    """Convert what became of a document, which is the caller's `index`th."""
    outcome = enums.name("outcome", result.outcome, _OUTCOMES)
    refusal = result.refusal
    error = errors.of_refusal(refusal.reason, refusal.field, refusal.message) if outcome == "refused" else None
    return types.IngestResult(index, document, outcome, result.truncated, error)


def document(message: pb.Document) -> types.Document:
    """Convert a document from the wire."""
    return types.Document(
        message.id, message.text, message.title, from_struct(message.metadata), message.source, tuple(message.vector)
    )


def source(message: pb.Source) -> types.Source:
    """Convert a source from the wire."""
    return types.Source(message.name, message.documents)


def search(response: pb.SearchResponse) -> types.SearchResult:
    """Convert the answer to a search."""
    return types.SearchResult(
        hits=tuple(_hit(hit) for hit in response.hits),
        reranked=response.reranked,
        selected=response.selected,
        limited_by=enums.name("limited_by", response.limited_by, _LIMITED_BY),
        similarity_weight=response.similarity_weight,
        candidates=response.candidates,
        mode=enums.name("mode", response.mode, MODES),
        candidates_from=enums.name("candidates_from", response.candidates_from, SOURCES),
        degraded=enums.name("degraded", response.degraded, _DEGRADED),
        truncated=response.truncated,
        timing=_timing(response.timing),
        matched=response.matched if response.HasField("matched") else None,
        filter_plan=enums.name("filter_plan", response.filter_plan, _FILTER_PLANS),
        maxsim_scored=response.maxsim_scored,
        query_vectors=response.query_vectors,
    )


def _hit(hit: pb.Hit) -> types.Hit:
    return types.Hit(
        id=hit.id,
        relevance=hit.relevance if hit.HasField("relevance") else None,
        score=hit.score if hit.HasField("score") else None,
        similarity=hit.similarity,
        rank=hit.rank,
        dense_rank=hit.dense_rank if hit.HasField("dense_rank") else None,
        lexical_rank=hit.lexical_rank if hit.HasField("lexical_rank") else None,
        logit=hit.logit if hit.HasField("logit") else None,
        maxsim=hit.maxsim if hit.HasField("maxsim") else None,
        maxsim_rank=hit.maxsim_rank if hit.HasField("maxsim_rank") else None,
        title=hit.title,
        text=hit.text,
        metadata=from_struct(hit.metadata),
        vector=tuple(hit.vector),
    )


def embed(response: pb.EmbedResponse) -> types.Embeddings:
    """Convert vectors from the wire."""
    vectors = tuple(tuple(one.values) for one in response.embeddings)
    return types.Embeddings(vectors, response.truncated, _timing(response.timing), response.tokens)


def rerank(request: pb.RerankRequest, response: pb.RerankResponse) -> types.RerankResult:
    """Convert the answer to a rerank, each score beside the text that it is for."""
    results = tuple(
        types.Ranked(
            index=one.index,
            score=one.score if one.HasField("score") else None,
            text=request.documents[one.index],
            logit=one.logit if one.HasField("logit") else None,
            maxsim=one.maxsim if one.HasField("maxsim") else None,
        )
        for one in response.results
    )
    return types.RerankResult(
        results=results,
        reranked=response.reranked,
        degraded=enums.name("degraded", response.degraded, _DEGRADED),
        truncated=response.truncated,
        timing=_timing(response.timing),
        tokens=response.tokens,
    )


def tokenize(response: pb.TokenizeResponse) -> tuple[types.Tokenization, ...]:
    """Convert tokens from the wire."""
    return tuple(
        types.Tokenization(tuple(one.ids), tuple(one.tokens), one.truncated, tuple(one.ends))
        for one in response.tokenizations
    )


def describe(response: pb.DescribeResponse) -> description.Description:
    """Convert what a server runs."""
    limits = response.limits
    return description.Description(
        version=response.version,
        embedder=_model(response.embedder),
        reranker=_model(response.reranker),
        late_interaction=_model(response.late_interaction) if response.HasField("late_interaction") else None,
        limits=description.Limits(
            max_top_k=limits.max_top_k,
            max_candidates=limits.max_candidates,
            max_batch=limits.max_batch,
            max_text_bytes=limits.max_text_bytes,
            auto_rerank_all=limits.auto_rerank_all,
            max_request_bytes=limits.max_request_bytes,
            auto_budget_ms=limits.auto_budget_ms,
            margin=limits.margin,
        ),
        slots=response.slots,
        threads=response.threads,
    )


def _timing(timing: pb.Timing) -> types.Timing:
    return types.Timing(
        tokenize_ms=timing.tokenize_ms,
        queue_ms=timing.queue_ms,
        infer_ms=timing.infer_ms,
        retrieve_ms=timing.retrieve_ms,
        write_ms=timing.write_ms,
        total_ms=timing.total_ms,
        embed_ms=timing.embed_ms,
        rerank_ms=timing.rerank_ms,
        maxsim_ms=timing.maxsim_ms,
    )


def _model(model: pb.ModelDescription) -> description.ModelDescription:
    return description.ModelDescription(
        source=model.source,
        revision=model.revision,
        variant=model.variant,
        provider=model.provider,
        max_tokens=model.max_tokens,
        dimensions=model.dimensions,
        fingerprint=model.fingerprint,
        variants=tuple(model.variants),
        similarity_weight=model.similarity_weight,
        similarity_center=model.similarity_center,
        fp32=_agreement(model.fp32) if model.HasField("fp32") else None,
    )


def _agreement(message: pb.Agreement) -> description.Agreement:
    return description.Agreement(message.samples, message.common, message.difference)
