"""A collection made anew by another embedder: requests, and how far it is, shared by both clients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from shortlist.proto import retrieval_pb2 as pb

from . import arguments, errors

ReindexState = Literal["none", "running", "done", "failed", "cancelled"]

_STATES: dict[pb.ReindexState.ValueType, ReindexState] = {
    pb.REINDEX_STATE_NONE: "none",
    pb.REINDEX_STATE_RUNNING: "running",
    pb.REINDEX_STATE_DONE: "done",
    pb.REINDEX_STATE_FAILED: "failed",
    pb.REINDEX_STATE_CANCELLED: "cancelled",
}
_STEPS = 200  # that a progress is told in, at most: more are calls for nothing


@dataclass(frozen=True, slots=True)
class Reindex:
    """How far a collection is made anew."""

    collection: str
    state: ReindexState  # `none`: there was none since the server's start
    embedder: str  # that makes the vectors, or made them
    embedder_fingerprint: str
    made: int  # documents whose vectors are made
    documents: int  # of the collection
    fault: str  # why it failed; empty where it did not


Watch: TypeAlias = Callable[[Reindex], object]


def watch(on_progress: object) -> Watch:
    """Return what is told how far it is.

    Raises:
        InvalidRequest: it cannot be called.
    """
    if on_progress is None:
        return lambda _: None
    if not callable(on_progress):
        raise errors.invalid("on_progress", on_progress, "it must be callable", "pass a function, or leave it out")
    return cast("Watch", on_progress)


def start(collection: str, embedder: str, variant: str) -> pb.StartReindexRequest:
    """Make the request to begin."""
    return pb.StartReindexRequest(
        collection=arguments.text("collection", collection),
        embedder=arguments.text("embedder", embedder),
        variant=arguments.text("variant", variant),
    )


def get(collection: str, after: int | None) -> pb.GetReindexRequest:
    """Make the request for how far it is."""
    return pb.GetReindexRequest(
        collection=arguments.text("collection", collection), after=arguments.count("after", after)
    )


def cancel(collection: str) -> pb.CancelReindexRequest:
    """Make the request to end it."""
    return pb.CancelReindexRequest(collection=arguments.text("collection", collection))


def plain(message: pb.Reindex) -> Reindex:
    """Convert how far it is from the wire."""
    return Reindex(
        collection=message.collection,
        state=_STATES.get(message.state, "none"),
        embedder=message.embedder,
        embedder_fingerprint=message.embedder_fingerprint,
        made=message.made,
        documents=message.documents,
        fault=message.fault,
    )


def next_step(now: Reindex) -> int:
    """Return how many documents have to be made before it is worth to be told again."""
    return now.made + now.documents // _STEPS


def ended(now: Reindex, wanted: str) -> Reindex:
    """Return what came of a reindex, or raise what is wrong with it.

    Args:
        now: as it ended.
        wanted: the fingerprint of the embedder that it was for.

    Raises:
        ServerError: it failed, was cancelled, or another one came in its place.
    """
    if now.state in {"done", "none"} and now.embedder_fingerprint == wanted:  # none: the server was started again
        return now
    fault = now.fault or f"it is {now.state}, with {now.embedder}"
    raise errors.ServerError(f"the reindex of {now.collection} did not end: {fault}; call again to go on")
