"""The service shortlist.v1.Reindexes: requests to calls of the pipeline's, answers to responses. No logic."""

import time

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto import retrieval_pb2_grpc as pb_grpc
from shortlist.server import observed
from shortlist.server.search.reindex import Progress, State
from shortlist.server.search.reindexing import Reindexing

from .deadlines import Context, Deadlines

_LONGEST_WAIT_S = 10.0  # proxies end calls that say nothing for long
_STATES: dict[State, pb.ReindexState.ValueType] = {
    "none": pb.REINDEX_STATE_NONE,
    "running": pb.REINDEX_STATE_RUNNING,
    "done": pb.REINDEX_STATE_DONE,
    "failed": pb.REINDEX_STATE_FAILED,
    "cancelled": pb.REINDEX_STATE_CANCELLED,
}


class Reindexes(pb_grpc.ReindexesServicer):
    """The service shortlist.v1.Reindexes."""

    def __init__(self, reindexing: Reindexing, deadlines: Deadlines) -> None:
        """Serve the collections that are made anew."""
        self._reindexing = reindexing
        self._deadlines = deadlines

    async def StartReindex(self, request: pb.StartReindexRequest, context: Context) -> pb.Reindex:
        return _message(await self._reindexing.start(request.collection, request.embedder, request.variant))

    async def GetReindex(self, request: pb.GetReindexRequest, context: Context) -> pb.Reindex:
        if not request.HasField("after"):
            return _message(self._reindexing.get(request.collection))
        observed.waits()
        deadline = min(self._deadlines.of(context), time.monotonic() + _LONGEST_WAIT_S)
        return _message(await self._reindexing.after(request.collection, request.after, deadline))

    async def CancelReindex(self, request: pb.CancelReindexRequest, context: Context) -> pb.Reindex:
        return _message(await self._reindexing.cancel(request.collection))


def _message(plain: Progress) -> pb.Reindex:
    return pb.Reindex(
        collection=plain.collection,
        state=_STATES[plain.state],
        embedder=plain.origin.embedder,
        embedder_fingerprint=plain.origin.fingerprint,
        made=plain.made,
        documents=plain.documents,
        fault=plain.fault,
    )
