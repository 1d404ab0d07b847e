"""Every call's begin and end, on both faces alike: its id, its numbers, its spans, and a line where it was slow."""

import logging
from collections.abc import Mapping

from shortlist.server import observed
from shortlist.server.observed import ObservedCall

from . import request_ids
from .metrics import Metrics

logger = logging.getLogger(__name__)


class Calls:
    """The calls of one server."""

    def __init__(self, metrics: Metrics, slow_s: float = 0.0) -> None:
        """Begin with none; those that take `slow_s` or longer are logged, none if it is 0."""
        self.metrics = metrics
        self._slow_s = slow_s

    def begin(self, face: str, method: str, given: Mapping[str, str], *, streams: bool = False) -> ObservedCall:
        """Begin a call.

        Args:
            face: grpc or http.
            method: as the numbers have it.
            given: what its caller says in headers or metadata, by names in lower case.
            streams: whether it takes as long as its caller likes.
        """
        request_id = request_ids.of(given.get(request_ids.HEADER))
        call = ObservedCall(face, method, request_id, streams=streams, heard=self.metrics.stage)
        observed.begin(call)
        return call

    def end(self, call: ObservedCall, status: str) -> None:
        """End a call with a status as gRPC names it."""
        call.status = status
        seconds = call.seconds()
        if self._slow_s and seconds >= self._slow_s and not call.streams and not call.waits:
            _log_slow(call, seconds)
        call.ended_s = call.began_s + seconds
        self.metrics.ended(call)
        logger.debug("%s: %s after %.1f ms", call.method, status, 1000 * seconds)


def _log_slow(call: ObservedCall, seconds: float) -> None:
    """Log where a slow call's time went; stages overlap where several jobs ran at once."""
    spent_ms = {name: round(1000 * spent, 1) for name, spent in call.spent.items()}
    told = ", ".join(f"{name} {spent:g}" for name, spent in spent_ms.items())
    facts = "".join(f", {name} {value}" for name, value in call.facts.items())
    logger.warning(
        "slow: %s took %.0f ms (%s)%s: %s",
        call.method,
        1000 * seconds,
        call.status,
        facts,
        told or "no stage was told",
        extra={
            "duration_ms": round(1000 * seconds, 1),
            "status": call.status,
            "face": call.face,
            "collection": call.collection,
            "key": call.key,
            "stages_ms": spent_ms,
            **call.facts,
        },
    )
