"""What the server's parts know of themselves: queue, slots, caches, collections, read when Prometheus asks."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.inference.slot import COST_RATIOS
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.search.pipeline import Pipeline

if TYPE_CHECKING:
    from shortlist.server.inference.loaded_model import LoadedModel

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class State(Collector):
    """Those numbers of one server."""

    def __init__(self, pipeline: Pipeline, scheduler: Scheduler, watchdog: Watchdog) -> None:
        """Take the parts."""
        self._contents = pipeline.contents
        self._streams = pipeline.streams
        self._token_upkeep = pipeline.token_upkeep
        self._embedders, self._scorer = pipeline.embedders, pipeline.scorer
        self._late_interaction = pipeline.late_interaction
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
                ("vectors", "Different vectors in a collection's index"),
                ("recall", "Share of the 50 nearest that searches find, of those that were done again exactly"),
                ("recall_target", "What shortlist_recall is held to"),
                ("recall_missed", "1 where the target cannot be met within walk_ms"),
                ("recall_samples", "Searches that shortlist_recall is the mean of"),
                ("recall_beam", "Candidates that a walk of the index keeps; 0: all vectors are compared"),
            )
        }
        sizes = GaugeMetricFamily(
            "shortlist_disk_bytes", "What a part of a collection takes on disk", labels=["collection", "part"]
        )
        for collection in self._contents.collections():
            held = collection.measured.report()
            values = {
                "documents": len(collection),
                "vectors": collection.indexed,
                "recall": held.mean,
                "recall_target": held.target,
                "recall_missed": held.state == "missed",
                "recall_samples": held.samples,
                "recall_beam": held.beam,
            }
            for name, value in values.items():
                if value is not None:
                    families[name].add_metric([collection.name], value)
            for part, size_bytes in collection.disk_bytes().items():
                sizes.add_metric([collection.name, part], size_bytes)
        yield from (*families.values(), sizes)
        yield from self._token_vectors()
        room = self._streams.room
        yield GaugeMetricFamily(
            "shortlist_ingest_documents", "Documents of streams that are not answered yet", room.documents
        )
        yield GaugeMetricFamily("shortlist_ingest_bytes", "What these documents take", room.size_bytes)

    def _token_vectors(self) -> Iterator[Family]:
        documents = GaugeMetricFamily(
            "shortlist_token_vectors_documents", "Documents that have token vectors", labels=["collection"]
        )
        size = GaugeMetricFamily("shortlist_token_vectors_bytes", "What these take", labels=["collection"])
        used = GaugeMetricFamily(
            "shortlist_token_vectors_used", "1 where searches use token vectors", labels=["collection"]
        )
        for collection in self._contents.collections():
            if (there := collection.token_vectors).wanted:
                documents.add_metric([collection.name], there.documents)
                size.add_metric([collection.name], there.size_bytes)
                used.add_metric([collection.name], self._token_upkeep.state(collection).state == "ready")
        yield from (documents, size, used)

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
        held = GaugeMetricFamily("shortlist_waiting_tokens", "Tokens that wait for a slot", labels=["lane"])
        runs = CounterMetricFamily("shortlist_runs", "Runs of a model", labels=["lane"])
        tokens = CounterMetricFamily("shortlist_tokens", "Tokens that were run, without padding", labels=["lane"])
        padded = CounterMetricFamily("shortlist_padded_tokens", "Tokens that were run, with padding", labels=["lane"])
        for family, values in (
            (waiting, now.waiting_jobs),
            (held, now.lane_tokens),
            (runs, now.runs),
            (tokens, now.tokens),
            (padded, now.padded_tokens),
        ):
            for lane, value in zip(lanes, values, strict=True):
                family.add_metric([lane], value)
            yield family
        yield GaugeMetricFamily("shortlist_queue_tokens", "Tokens that may wait for a slot", self._scheduler.capacity)
        yield GaugeMetricFamily("shortlist_slots", "Runs that can go on at once", self._scheduler.slots)
        yield GaugeMetricFamily("shortlist_slots_running", "Slots that run something", now.running)
        yield GaugeMetricFamily(
            "shortlist_slots_faulty", "Slots that ended or are stuck; the log has why", len(self._watchdog.faults)
        )
        yield CounterMetricFamily("shortlist_slots_busy_seconds", "Time of all slots in runs", now.busy_s)
        yield CounterMetricFamily(
            "shortlist_runs_expected_seconds", "What these runs were expected to take", now.expected_s
        )
        ratios = HistogramMetricFamily(
            "shortlist_run_cost_ratio", "Seconds a run was expected to take, over those it took"
        )
        buckets = zip([*map(str, COST_RATIOS), "+Inf"], itertools.accumulate(now.cost_ratios), strict=True)
        ratios.add_metric([], list(buckets), now.cost_ratio_sum)
        yield ratios

    def _caching(self) -> Iterator[Family]:
        hits = CounterMetricFamily("shortlist_cache_hits", "Results that were kept from before", labels=["cache"])
        misses = CounterMetricFamily("shortlist_cache_misses", "Results that had to be computed", labels=["cache"])
        size = GaugeMetricFamily("shortlist_cache_bytes", "About what a cache takes", labels=["cache"])
        shared = CounterMetricFamily("shortlist_shared_runs", "Callers who got another's run", labels=["cache"])
        caches: dict[str, Sequence[LoadedModel[Any]]] = {"vectors": list(self._embedders), "scores": [self._scorer]}
        if self._late_interaction is not None:
            caches["token_vectors"] = [self._late_interaction]
        for name, models in caches.items():
            hits.add_metric([name], sum(model.cache.hits for model in models))
            misses.add_metric([name], sum(model.cache.misses for model in models))
            size.add_metric([name], sum(model.cache.bytes for model in models))
            shared.add_metric([name], sum(model.coalescer.joined for model in models))
        yield from (hits, misses, size, shared)
