"""The server's life: what is built in which order, and what is stopped in which.

    start   addresses -> bundles -> sessions -> warm-up -> collections -> listen -> SERVING
    stop    NOT_SERVING -> refuse new calls -> drain -> scheduler -> save the indexes

gRPC and HTTP are on one event loop, and start and stop together.

What fails at start is a StartupError: one line and exit code 2, before anything listens. SIGTERM and SIGINT stop the
server in order, or at once while it loads. A second signal ends the process; that loses nothing, since documents are
on disk.
"""

import asyncio
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from shortlist.server.access import exposure
from shortlist.server.access.callers import Access
from shortlist.server.access.certificates import Certificates
from shortlist.server.errors import SettingsError
from shortlist.server.inference.coalescing import TokenizingPool
from shortlist.server.inference.embedders import Embedders
from shortlist.server.inference.loading import Loading
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.inference.token_embedder import TokenEmbedder
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.observing import logs
from shortlist.server.observing.calls import Calls
from shortlist.server.observing.metrics import Metrics
from shortlist.server.rpc.deadlines import Deadlines
from shortlist.server.rpc.health import Health
from shortlist.server.rpc.interceptor import Interceptor
from shortlist.server.rpc.server import SERVICES, Servicers
from shortlist.server.runtime.variant_selection import Timings
from shortlist.server.search import fp32
from shortlist.server.search.fp32 import Comparison
from shortlist.server.search.limits import Limits
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.sampling import Sampling
from shortlist.server.storage.catalog import Catalog
from shortlist.server.tei.models import Models

from . import cores, listening
from .http.served import Served
from .rpc.server import server as grpc_server
from .runtime import bundle, providers
from .search import reindexing
from .settings import Settings
from .storage import data_folder

if TYPE_CHECKING:
    from .http.listener import Listener
    from .observing.spans import Spans

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A slot whose run has ended waits up to this long for the interpreter while another thread computes. Python's
# default, 5 ms, is as long as the run of a short text.
_SWITCH_S = 0.0005
# Threads for what blocks: SQLite and the index. They wait on locks and disks more than they compute.
_BLOCKING_THREADS = 16


@dataclass(frozen=True, slots=True)
class Components:
    """The parts of a running server, to use and to close."""

    pipeline: Pipeline
    scheduler: Scheduler
    pool: TokenizingPool

    def close(self) -> None:
        """Stop computing, then save and close the collections."""
        self.pool.close()
        self.scheduler.stop()
        self.pipeline.close()


def run(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code.

    Args:
        settings: what to serve, and where.
        announce: takes the line "listening on ADDRESS", once calls are taken: with port 0 it tells the port.

    Raises:
        StartupError: the server cannot start; the message says why, in one line.
    """
    logs.configure(settings.log_level, settings.log_format)
    # One text is tokenized on one thread: a pool of its own would take cores from the slots.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sys.setswitchinterval(_SWITCH_S)
    for number in _SIGNALS:
        signal.signal(number, _leave)
    _raise_file_limit()
    listening.check(settings)
    exposure.check(settings)
    certificates, access = Certificates.of(settings), Access(settings)
    components = build(settings)
    try:
        asyncio.run(_serve(settings, components, access, certificates, announce))
    finally:
        components.close()
    logger.info("stopped")
    return 0


def build(settings: Settings) -> Components:
    """Load the models and open the collections.

    Raises:
        StartupError: a bundle, the provider or the data folder cannot be used.
    """
    began = time.monotonic()
    # numpy's products are made on the thread that asks for them: a core of its own for each would be one that a slot
    # has. Beside two busy threads on two cores, a product of 0.14 ms took 4 to 8 ms at p99 on two threads.
    threadpool_limits(1, "blas")
    target = providers.target(settings)
    bundle.load(settings.embedder, "embedder")  # before anything takes time
    bundle.load(settings.reranker, "reranker")
    if settings.late_interaction is not None:
        bundle.load(settings.late_interaction, "late-interaction")
    scheduler = Scheduler(target.slots, settings.queue_tokens, admit_share=settings.admit_share)
    pool = TokenizingPool(cores.usable())
    timings = Timings(settings.data / "timings.json")
    cache_bytes = (settings.cache_mb << 20) // (2 if settings.late_interaction is None else 3)  # of each model
    loading = Loading(target, providers.batch_tokens(settings), timings, scheduler, pool, cache_bytes)
    try:
        pipeline = _pipeline(settings, loading)
    except BaseException:
        pool.close()
        scheduler.stop()
        raise
    for role, info in pipeline.running():
        logger.info("%s: %s, %s on %s", role, info.source.model, info.variant, info.provider)
    logger.info(
        "collections: %d; slots: %d; threads of each slot: %d; ready after %.1f s",
        len(pipeline.contents.collections()),
        target.slots,
        target.threads,
        time.monotonic() - began,
    )
    return Components(pipeline, scheduler, pool)


def _pipeline(settings: Settings, loading: Loading) -> Pipeline:
    """Load the models that are set, and those that collections need, and open the collections."""
    recorded = data_folder.recorded(settings.data)
    needed = {one.origin.fingerprint for one in recorded}
    others = settings.other_embedders
    embedders = Embedders(loading.embedder, settings.embedder, settings.embedder_variant, others, needed)
    scorer = loading.scorer(settings.reranker, settings.reranker_variant)
    for one in recorded:
        embedders.find(one.origin.fingerprint, one.bundle)
    made_by = reindexing.origin(embedders.first.info)
    late_interaction = _late_interaction(settings, loading)
    token_model = None if late_interaction is None else reindexing.origin(late_interaction.info)
    chosen = None if late_interaction is None else settings.token_pooling
    collections = Catalog(settings.data, made_by, settings.snapshots, embedders, token_model, chosen)
    for one in recorded:
        if one.origin.fingerprint != made_by.fingerprint:
            logger.info(
                "collection %s is of %s, new ones are of %s; `shortlist reindex %s` makes it anew with that",
                *(one.name, one.origin.embedder, made_by.embedder, one.name),
            )
    sampling = Sampling(settings.recall_samples, settings.walk_ms / 1000, cores.usable())
    comparison = Comparison()
    if settings.compare_fp32:
        target, stack = loading.target, loading.batch_tokens
        comparison = Comparison(
            fp32.loader(Embedder, bundle.load(settings.embedder, "embedder"), embedders.first, target, stack),
            fp32.loader(Scorer, bundle.load(settings.reranker, "reranker"), scorer, target, stack),
        )
    return Pipeline(embedders, scorer, collections, Limits.of(settings), sampling, comparison, late_interaction)


def _late_interaction(settings: Settings, loading: Loading) -> TokenEmbedder | None:
    """Load the late-interaction model, if one is set."""
    if settings.late_interaction is None:
        return None
    made_with = data_folder.token_fingerprints(settings.data)
    return loading.late_interaction(settings.late_interaction, settings.late_interaction_variant, made_with)


async def _serve(
    settings: Settings,
    components: Components,
    access: Access,
    certificates: Certificates | None,
    announce: Callable[[str], None],
) -> None:
    """Listen, serve until a signal, and drain."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_BLOCKING_THREADS, thread_name_prefix="blocking"))
    for number in _SIGNALS:
        loop.add_signal_handler(number, _stop_once, stopping)

    status, watchdog = Health(SERVICES), Watchdog(components.scheduler, components.pipeline.probe)
    metrics = Metrics(components.pipeline, components.scheduler, watchdog)
    spans = _spans(settings.traces) if settings.traces else None
    calls = Calls(metrics, settings.slow_ms / 1000, spans)
    deadlines = Deadlines(settings.default_deadline_s, settings.deadline_margin_ms / 1000)
    models = Models(components.pipeline, settings.tei_model, settings.queue_tokens)
    servicers = Servicers.of(components.pipeline, models, deadlines, components.scheduler.slots, settings.threads)
    interceptor = Interceptor(calls, access, settings.max_request_bytes)
    described = settings.reflection != "off"
    server = grpc_server(servicers, status, interceptor, listening.options(settings), described=described)
    address = listening.listen(server, settings, certificates.credentials() if certificates else None)
    parts = (components.pipeline, components.scheduler, watchdog, servicers, status, calls)
    http = _http(Served(settings, address, *parts), access, certificates) if settings.http_port else None
    metrics_host = listening.http_host(settings)
    end_metrics = metrics.serve(metrics_host, settings.metrics_port) if settings.metrics_port else None
    await server.start()
    watching = asyncio.create_task(watchdog.watch(status.tell))
    try:
        await components.pipeline.reindexing.resume()
        components.pipeline.token_upkeep.start()
        await status.tell("")
        announce(f"listening on {address}")
        if http:
            announce(f"listening on {listening.http_url(settings)}")
        await stopping.wait()
        logger.info("stopping: calls in flight have %.0f s", settings.drain_s)
        components.pipeline.streams.stop()
    finally:
        watching.cancel()
        await status.enter_graceful_shutdown()
        await components.pipeline.reindexing.close()
        await components.pipeline.token_upkeep.close()
        await asyncio.gather(server.stop(settings.drain_s), *([http.stop()] if http else []))
        if end_metrics:
            end_metrics()
        if spans:
            await asyncio.to_thread(spans.close)


def _http(served: Served, access: Access, certificates: Certificates | None) -> "Listener":
    """Listen for HTTP. A server without it does not have what this imports."""
    from .http.app import App  # noqa: PLC0415
    from .http.faces import routes  # noqa: PLC0415
    from .http.listener import Listener  # noqa: PLC0415

    settings = served.settings
    local = settings.ui != "on" and listening.is_loopback(listening.http_host(settings))
    app = App(
        routes(served),
        served.servicers.deadlines,
        served.calls,
        access,
        settings.max_request_bytes,
        local=local,
        secure=certificates is not None,
    )
    context = certificates.context() if certificates else None
    return Listener(app, listening.http_socket(settings), settings.drain_s, context)


def _spans(collector: str) -> "Spans":
    """Return what sends traces to a collector. A server without them does not have what this imports.

    Raises:
        SettingsError: the extra is not installed.
    """
    try:
        from .observing.spans import Spans  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        raise SettingsError(
            f"traces is {collector}, but {error.name} is not installed;"
            " install the extra otel, in a clone of Shortlist: pip install '.[otel]'"
        ) from error
    return Spans.to(collector)


def _stop_once(stopping: asyncio.Event) -> None:
    stopping.set()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, _end)


def _leave(*_: object) -> None:
    """End a server that is still loading: there is nothing to finish."""
    raise SystemExit(0)


def _end(number: int, _: object) -> None:
    """End the process at once. The default action would not: process 1 of a container ignores it."""
    os._exit(128 + number)


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: a collection takes five, a connection one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
