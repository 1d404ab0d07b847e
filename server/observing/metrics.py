"""What the server does, as numbers that Prometheus reads.

Calls and their stages are counted as they end (`calls.py`); everything else is read from its owner when Prometheus
asks (`state.py`), so that nothing is counted twice. One registry a server, no global state.
"""

import logging
from collections.abc import Callable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.exposition import choose_encoder

from shortlist.server.errors import ListenError
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.observed import ObservedCall, Stage
from shortlist.server.search.pipeline import Pipeline

from .names import Names
from .state import State

logger = logging.getLogger(__name__)

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STAGE_BUCKETS_S = (0.0001, 0.00025, 0.0005, *_BUCKETS_S)


class Metrics:
    """The numbers of one server."""

    def __init__(self, pipeline: Pipeline, scheduler: Scheduler, watchdog: Watchdog) -> None:
        """Begin with no calls."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "shortlist_requests",
            "Calls that ended, by gRPC's names of statuses on both faces",
            ("face", "method", "status", "collection", "key"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "shortlist_request_seconds",
            "Time of a call in the server",
            ("face", "method"),
            registry=self._registry,
            buckets=_BUCKETS_S,
        )
        self._stages = Histogram(
            "shortlist_stage_seconds",
            "Time of a stage of a call",
            ("stage",),
            registry=self._registry,
            buckets=_STAGE_BUCKETS_S,
        )
        info = Gauge("shortlist_info", "1, with the version that runs", ("version",), registry=self._registry)
        info.labels(version("shortlist")).set(1)
        ProcessCollector(registry=self._registry)
        self._registry.register(State(pipeline, scheduler, watchdog))
        self._collections = Names(lambda: {one.name for one in pipeline.contents.collections()})
        self._keys = Names()

    def ended(self, call: ObservedCall) -> None:
        """Count a call that ended."""
        self._seconds.labels(call.face, call.method).observe(call.seconds())
        collection, key = self._collections.label(call.collection), self._keys.label(call.key)
        self._requests.labels(call.face, call.method, call.status, collection, key).inc()
        for gone in self._collections.take_dropped():
            self._requests.remove_by_labels({"collection": gone})

    def stage(self, stage: Stage) -> None:
        """Count a stage of a call."""
        self._stages.labels(stage.name).observe(stage.seconds)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return all numbers as text, and the text's content type, as an Accept header wants it."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer http://HOST:PORT/metrics on a thread of its own, and return what ends that.

        Raises:
            ListenError: the port is taken, or the address is not this machine's.
        """
        try:
            server, thread = start_http_server(port, host, self._registry)
        except OSError as error:
            raise ListenError(
                f"cannot serve metrics on {host}:{port}: {error.strerror};"
                " stop what listens there, or choose another --metrics-port"
            ) from error
        logger.info("metrics on http://%s:%d/metrics", host, server.server_port)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop
