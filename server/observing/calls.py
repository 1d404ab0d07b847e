"""Every call's begin and end, on both faces alike: its id, its numbers, its spans, and a line where it was slow."""

import logging
from collections.abc import Mapping
from typing import Protocol

from shortlist.server import observed
from shortlist.server.observed import ObservedCall

from . import request_ids
from .metrics import Metrics

logger = logging.getLogger(__name__)


class Tracing(Protocol):
    """What makes spans of calls (`spans.py`, an extra)."""

    def begin(self, call: ObservedCall, given: Mapping[str, str]) -> None:
        """Begin a call's span, below its caller's."""

    def end(self, call: ObservedCall) -> None:
        """End a call's span."""


class Calls:
    """The calls of one server."""

    def __init__(self, metrics: Metrics, slow_s: float = 0.0, tracing: Tracing | None = None) -> None:
        """Begin with none.

        Args:
            metrics: counts them.
            slow_s: those that take as long or longer are logged; 0: none.
            tracing: makes spans of them; None: there are no traces.
        """
        self.metrics = metrics
        self._slow_s = slow_s
        self._tracing = tracing

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
        if self._tracing:
            self._tracing.begin(call, given)
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
        if self._tracing:
            self._tracing.end(call)
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
