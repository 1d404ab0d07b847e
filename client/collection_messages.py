"""Whole collections and snapshots of them: requests out of plain types, and what is answered as such again."""

from collections.abc import Iterable
from datetime import UTC

from shortlist.proto import retrieval_pb2 as pb

from . import arguments, enums, types
from .token_vectors import TokenPooling, TokenVectors, TokenVectorsState

_QUANTIZATIONS: dict[types.Quantization, pb.Quantization.ValueType] = {
    "none": pb.QUANTIZATION_NONE,
    "int8": pb.QUANTIZATION_INT8,
}
_POOLINGS: dict[TokenPooling, pb.TokenPooling.ValueType] = {
    "no-vectors": pb.TOKEN_POOLING_NO_VECTORS,
    "none": pb.TOKEN_POOLING_NONE,
    "by-two": pb.TOKEN_POOLING_BY_TWO,
}
_TOKEN_VECTORS_STATES: dict[TokenVectorsState, pb.TokenVectorsState.ValueType] = {
    "none": pb.TOKEN_VECTORS_STATE_NONE,
    "making": pb.TOKEN_VECTORS_STATE_MAKING,
    "ready": pb.TOKEN_VECTORS_STATE_READY,
    "unusable": pb.TOKEN_VECTORS_STATE_UNUSABLE,
}
_RECALL_STATES: dict[types.RecallState, pb.RecallState.ValueType] = {
    "exact": pb.RECALL_STATE_EXACT,
    "unmeasured": pb.RECALL_STATE_UNMEASURED,
    "met": pb.RECALL_STATE_MET,
    "missed": pb.RECALL_STATE_MISSED,
}


def create(
    name: str,
    *,
    exist_ok: bool,
    recall_target: float | None = None,
    language: str | None = None,
    quantization: types.Quantization | None = None,
    token_pooling: TokenPooling | None = None,
) -> pb.CreateCollectionRequest:
    """Make the request to create a collection."""
    return pb.CreateCollectionRequest(
        name=arguments.text("name", name),
        exist_ok=arguments.flag("exist_ok", exist_ok),
        recall_target=arguments.number_if_any("recall_target", recall_target),
        language="" if language is None else arguments.text("language", language),
        quantization=arguments.choice_if_any("quantization", quantization, _QUANTIZATIONS),
        token_pooling=arguments.choice_if_any("token_pooling", token_pooling, _POOLINGS),
    )


def drop(name: str) -> pb.DropCollectionRequest:
    """Make the request to drop a collection."""
    return pb.DropCollectionRequest(name=arguments.text("name", name))


def set_token_vectors(collection: str, token_pooling: TokenPooling) -> pb.SetTokenVectorsRequest:
    """Make the request to set which token vectors a collection has."""
    return pb.SetTokenVectorsRequest(
        collection=arguments.text("collection", collection),
        token_pooling=arguments.choice("token_pooling", token_pooling, _POOLINGS),
    )


def create_snapshot(name: str, collections: Iterable[str]) -> pb.CreateSnapshotRequest:
    """Make the request to copy collections."""
    return pb.CreateSnapshotRequest(
        name=arguments.text("name", name), collections=arguments.texts("collections", collections)
    )


def restore_snapshot(snapshot: str, collections: Iterable[str]) -> pb.RestoreSnapshotRequest:
    """Make the request to restore collections."""
    return pb.RestoreSnapshotRequest(
        snapshot=arguments.text("snapshot", snapshot), collections=arguments.texts("collections", collections)
    )


def drop_snapshot(name: str) -> pb.DropSnapshotRequest:
    """Make the request to drop a snapshot."""
    return pb.DropSnapshotRequest(name=arguments.text("name", name))


def collection(message: pb.Collection) -> types.Collection:
    """Convert a collection from the wire."""
    return types.Collection(
        name=message.name,
        documents=message.documents,
        embedder=message.embedder,
        embedder_fingerprint=message.embedder_fingerprint,
        dimensions=message.dimensions,
        created_at=message.created_at.ToDatetime(tzinfo=UTC),
        language=message.language,
        quantization=enums.name("quantization", message.quantization, _QUANTIZATIONS),
        recall=_recall(message.recall),
        token_vectors=_token_vectors(message.token_vectors),
    )


def _recall(message: pb.Recall) -> types.Recall:
    return types.Recall(
        target=message.target,
        state=enums.name("state", message.state, _RECALL_STATES),
        measured=message.measured if message.HasField("measured") else None,
        error=message.error,
        samples=message.samples,
        beam=message.beam,
    )


def _token_vectors(message: pb.TokenVectors) -> TokenVectors:
    return TokenVectors(
        pooling=enums.name("pooling", message.pooling, _POOLINGS),
        state=enums.name("state", message.state, _TOKEN_VECTORS_STATES),
        model=message.model,
        model_fingerprint=message.model_fingerprint,
        dimensions=message.dimensions,
        documents=message.documents,
        vectors=message.vectors,
        size_bytes=message.size_bytes,
        fault=message.fault,
    )


def snapshot(message: pb.Snapshot) -> types.Snapshot:
    """Convert a snapshot from the wire."""
    return types.Snapshot(
        name=message.name,
        created_at=message.created_at.ToDatetime(tzinfo=UTC),
        version=message.version,
        collections=tuple(
            types.SnapshotCollection(one.name, one.documents, one.embedder, one.embedder_fingerprint, one.size_bytes)
            for one in message.collections
        ),
    )
