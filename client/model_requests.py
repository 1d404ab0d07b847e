"""Plain types to the requests that take texts to the models, as `requests.py` does for those on collections."""

from collections.abc import Iterable

from shortlist.proto import retrieval_pb2 as pb

from . import arguments, types

_KINDS: dict[types.TextKind, pb.TextKind.ValueType] = {
    "query": pb.TEXT_KIND_QUERY,
    "document": pb.TEXT_KIND_DOCUMENT,
}
_TRUNCATIONS: dict[types.Truncation, pb.Truncation.ValueType] = {
    "end": pb.TRUNCATION_END,
    "start": pb.TRUNCATION_START,
    "none": pb.TRUNCATION_NONE,
}
_MODELS: dict[types.Model, pb.Model.ValueType] = {
    "embedder": pb.MODEL_EMBEDDER,
    "reranker": pb.MODEL_RERANKER,
    "late-interaction": pb.MODEL_LATE_INTERACTION,
}
_RERANKERS: dict[types.RerankModel, pb.Model.ValueType] = {
    "reranker": pb.MODEL_RERANKER,
    "late-interaction": pb.MODEL_LATE_INTERACTION,
}


def embed(
    texts: Iterable[str],
    kind: types.TextKind,
    *,
    truncation: types.Truncation | None = None,
    dimensions: int | None = None,
    normalize: bool = False,
) -> pb.EmbedRequest:
    """Make the request for vectors."""
    return pb.EmbedRequest(
        texts=arguments.texts("texts", texts),
        kind=arguments.choice("kind", kind, _KINDS),
        truncation=_truncation(truncation),
        dimensions=arguments.count("dimensions", dimensions),
        normalize=arguments.flag("normalize", normalize),
    )


def rerank(
    query: str,
    documents: Iterable[str],
    top_k: int | None,
    *,
    truncation: types.Truncation | None = None,
    max_document_tokens: int | None = None,
    model: types.RerankModel = "reranker",
) -> pb.RerankRequest:
    """Make the request for scores."""
    return pb.RerankRequest(
        query=arguments.text("query", query),
        documents=arguments.texts("documents", documents),
        top_k=arguments.count("top_k", top_k),
        truncation=_truncation(truncation),
        max_document_tokens=arguments.count("max_document_tokens", max_document_tokens),
        model=arguments.choice("model", model, _RERANKERS),
    )


def tokenize(
    texts: Iterable[str], *, model: types.Model, query: str, kind: types.TextKind, ends_only: bool
) -> pb.TokenizeRequest:
    """Make the request for tokens."""
    return pb.TokenizeRequest(
        texts=arguments.texts("texts", texts),
        model=arguments.choice("model", model, _MODELS),
        query=arguments.text("query", query),
        kind=arguments.choice("kind", kind, _KINDS),
        ends_only=arguments.flag("ends_only", ends_only),
    )


def _truncation(plain: types.Truncation | None) -> pb.Truncation.ValueType:
    return pb.TRUNCATION_UNSPECIFIED if plain is None else arguments.choice("truncation", plain, _TRUNCATIONS)
