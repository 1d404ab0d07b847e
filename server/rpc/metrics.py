"""What the server does, as numbers that Prometheus reads: calls, queue, slots, caches, collections.

Calls are counted where they end (`interceptor.py`); everything else is read from its owner when Prometheus asks, so
that nothing is counted twice. One registry a server, no global state.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from shortlist.server.errors import ListenError
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.search.pipeline import Pipeline

logger = logging.getLogger(__name__)

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The numbers of one server."""

    def __init__(self, pipeline: Pipeline, scheduler: Scheduler, watchdog: Watchdog) -> None:
        """Begin with no calls."""
        self._registry = CollectorRegistry()
        self._calls = Histogram(
            "shortlist_call_seconds",
            "Time of a call in the server, by method and gRPC status",
            ("method", "code"),
            registry=self._registry,
            buckets=_BUCKETS_S,
        )
        self._requests = Histogram(
            "shortlist_http_seconds",
            "Time of an HTTP request in the server, by method, route and status",
            ("method", "route", "status"),
            registry=self._registry,
            buckets=_BUCKETS_S,
        )
        self._registry.register(_State(pipeline, scheduler, watchdog))

    def call(self, method: str, code: str, seconds: float) -> None:
        """Count a call that ended with a gRPC status."""
        self._calls.labels(method, code).observe(seconds)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an HTTP request that ended with a status; method and route are empty where nothing is served."""
        self._requests.labels(method, route, str(status)).observe(seconds)

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


class _State(Collector):
    """What the server's parts know of themselves, read when Prometheus asks."""

    def __init__(self, pipeline: Pipeline, scheduler: Scheduler, watchdog: Watchdog) -> None:
        self._contents = pipeline.contents
        self._streams = pipeline.streams
        self._embedders, self._scorer = pipeline.embedders, pipeline.scorer
        self._fp32 = pipeline.fp32
        self._scheduler = scheduler
        self._watchdog = watchdog

    def collect(self) -> Iterator[Family]:
        """Yield every family, with its present values."""
        yield from self._scheduling()
        yield from self._caching()
        yield from self._collections()
        yield from self._beside_fp32()

    def _collections(self) -> Iterator[Family]:
        families = {
            name: GaugeMetricFamily(f"shortlist_{name}", told, labels=["collection"])
            for name, told in (
                ("documents", "Documents in a collection"),
                ("recall", "Share of the 50 nearest that searches find, of those that were done again exactly"),
                ("recall_target", "What shortlist_recall is held to"),
                ("recall_missed", "1 where the target cannot be met within walk_ms"),
                ("recall_samples", "Searches that shortlist_recall is the mean of"),
                ("recall_beam", "Candidates that a walk of the index keeps; 0: all vectors are compared"),
            )
        }
        for collection in self._contents.collections():
            held = collection.measured.report()
            values = {
                "documents": len(collection),
                "recall": held.mean,
                "recall_target": held.target,
                "recall_missed": held.state == "missed",
                "recall_samples": held.samples,
                "recall_beam": held.beam,
            }
            for name, value in values.items():
                if value is not None:
                    families[name].add_metric([collection.name], value)
        yield from families.values()
        room = self._streams.room
        yield GaugeMetricFamily(
            "shortlist_ingest_documents", "Documents of streams that are not answered yet", room.documents
        )
        yield GaugeMetricFamily("shortlist_ingest_bytes", "What these documents take", room.size_bytes)

    def _beside_fp32(self) -> Iterator[Family]:
        samples = GaugeMetricFamily("shortlist_fp32_samples", "Searches compared with fp32", labels=["model"])
        common = GaugeMetricFamily("shortlist_fp32_common", "Share of the first 10 as in fp32", labels=["model"])
        difference = GaugeMetricFamily(
            "shortlist_fp32_difference", "Largest difference to fp32, of a similarity or a score", labels=["model"]
        )
        for model, found in (("embedder", self._fp32.embedder), ("reranker", self._fp32.scorer)):
            if found is not None:
                samples.add_metric([model], found.samples)
                if found.samples:
                    common.add_metric([model], found.common)
                    difference.add_metric([model], found.difference)
        yield from (samples, common, difference)

    def _scheduling(self) -> Iterator[Family]:
        now = self._scheduler.statistics()
        lanes = [lane.name.lower() for lane in Lane]
        waiting = GaugeMetricFamily(
            "shortlist_waiting_jobs", "Jobs with an item that waits for a slot", labels=["lane"]
        )
        runs = CounterMetricFamily("shortlist_runs", "Runs of a model", labels=["lane"])
        tokens = CounterMetricFamily("shortlist_tokens", "Tokens that were run, without padding", labels=["lane"])
        for family, values in ((waiting, now.waiting_jobs), (runs, now.runs), (tokens, now.tokens)):
            for lane, value in zip(lanes, values, strict=True):
                family.add_metric([lane], value)
            yield family
        yield GaugeMetricFamily("shortlist_waiting_tokens", "Tokens that wait for a slot", now.waiting_tokens)
        yield GaugeMetricFamily("shortlist_slots", "Runs that can go on at once", self._scheduler.slots)
        yield GaugeMetricFamily("shortlist_slots_running", "Slots that run something", now.running)
        yield GaugeMetricFamily(
            "shortlist_slots_faulty", "Slots that ended or are stuck; the log has why", len(self._watchdog.faults)
        )
        yield CounterMetricFamily("shortlist_slots_busy_seconds", "Time of all slots in runs", now.busy_s)

    def _caching(self) -> Iterator[Family]:
        hits = CounterMetricFamily("shortlist_cache_hits", "Results that were kept from before", labels=["cache"])
        misses = CounterMetricFamily("shortlist_cache_misses", "Results that had to be computed", labels=["cache"])
        size = GaugeMetricFamily("shortlist_cache_bytes", "About what a cache takes", labels=["cache"])
        shared = CounterMetricFamily("shortlist_shared_runs", "Callers who got another's run", labels=["cache"])
        for name, models in (("vectors", list(self._embedders)), ("scores", [self._scorer])):
            hits.add_metric([name], sum(model.cache.hits for model in models))
            misses.add_metric([name], sum(model.cache.misses for model in models))
            size.add_metric([name], sum(model.cache.bytes for model in models))
            shared.add_metric([name], sum(model.coalescer.joined for model in models))
        yield from (hits, misses, size, shared)
