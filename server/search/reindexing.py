"""The collections that other embedders make anew: one job (`reindex.py`) for a collection at a time.

Where a job ended before the collection switched, the next call for the same embedder goes on with what it made, and
so does the next start. Embedders are loaded when they are first asked for, and stay while a collection needs them.

Runs on the event loop; what blocks goes to threads. Knows no gRPC.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from shortlist.server.errors import BundleError, InvalidRequest, ProviderError, ShortlistError
from shortlist.server.inference.embedders import Embedders
from shortlist.server.inference.models import Embedder
from shortlist.server.runtime.graph import ModelInfo
from shortlist.server.runtime.variant_selection import AUTO
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Origin
from shortlist.server.storage.generations import Next

from .contents import Contents
from .reindex import Progress, Reindex

logger = logging.getLogger(__name__)

_STOPPING = "the server is stopping; its next start goes on"


class Reindexing:
    """The collections that are made anew, and those that were since the start."""

    def __init__(self, contents: Contents, embedders: Embedders) -> None:
        """Begin with none."""
        self._contents = contents
        self._embedders = embedders
        self._jobs: dict[str, Reindex] = {}
        self._starting = asyncio.Lock()
        self._closing = threading.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, name: str, bundle: str, variant: str) -> Progress:
        """Begin to make a collection anew, or go on, and return how far it is; it goes on if its caller leaves.

        Args:
            name: the collection's.
            bundle: the absolute path of an embedder's bundle; empty: that of the embedder of new collections.
            variant: which of its variants; empty: the one that runs, or that a start would choose.

        Raises:
            UnknownCollection, StorageFailed: as `Contents` says.
            InvalidRequest: the bundle cannot be used, or another one is at work on the collection.
        """
        task = asyncio.create_task(self._start(name, bundle, variant))
        self._keep(task)
        return await asyncio.shield(task)

    async def _start(self, name: str, bundle: str, variant: str) -> Progress:
        self._contents.collection(name)
        async with self._starting:  # one after the other: what one loads, the next one finds
            embedder = await self._embedder(bundle, variant)
            collection = self._contents.collection(name)
            job = self._jobs.get(name)
            if job is not None and job.progress.state == "running":
                if job.progress.origin.fingerprint != embedder.fingerprint:
                    self._forget_unused()
                    limit = f"{name} is made anew with {job.progress.origin.embedder} now"
                    raise InvalidRequest("embedder", bundle or variant, limit, "wait for its end, or cancel it first")
                return job.progress
            return await self._begun(collection, embedder)

    def get(self, name: str) -> Progress:
        """Return how far a collection is.

        Raises:
            UnknownCollection: there is none of that name.
        """
        collection = self._contents.collection(name)
        job = self._jobs.get(name)
        if job is None or job.collection is not collection:  # it was dropped and made again
            return Progress(name, "none", collection.origin, len(collection), len(collection))
        return job.progress

    async def after(self, name: str, made: int, deadline: float) -> Progress:
        """Return how far a collection is once that is more than `made` documents, or it ended, or at a deadline.

        Raises:
            UnknownCollection: there is none of that name.
        """
        while True:
            progress = self.get(name)
            left_s = deadline - time.monotonic()
            if progress.state != "running" or progress.made > made or left_s <= 0:
                return progress
            await self._jobs[name].wait(left_s)

    async def cancel(self, name: str) -> Progress:
        """End the job of a collection, drop what it made, and return how far it was.

        Raises:
            UnknownCollection, StorageFailed: as `Contents` says.
        """
        async with self._starting:
            collection = self._contents.collection(name)
            job = self._jobs.get(name)
            if job is not None:
                await job.end("cancelled")
            if await asyncio.to_thread(collection.remaking.find) is not None:
                await self._contents.write(collection.remaking.abandon)
                if job is not None:
                    job.show("cancelled")
            self._tidy(collection)
            return self.get(name)

    async def resume(self) -> None:
        """Go on with what was not finished when the server ended; returns before the embedders are loaded."""
        for collection, coming, untidy in await asyncio.to_thread(self._left):
            if coming is not None:
                progress = Progress(collection.name, "running", coming.origin, 0, len(collection))
                self._run(Reindex(collection, progress), partial(self._found, coming))
            elif untidy:
                self._tidy(collection)

    def _left(self) -> list[tuple[Collection, Next | None, bool]]:
        """Return the collections, with what was being made of each, and whether there is something to drop."""
        return [(one, one.remaking.find(), one.remaking.untidy) for one in self._contents.collections()]

    async def _found(self, coming: Next) -> Embedder:
        """Return the embedder that was at work when the server ended.

        Raises:
            BundleError, ProviderError: it is not where it was, or cannot be used.
        """
        if not await asyncio.to_thread(self._embedders.find, coming.origin.fingerprint, coming.bundle):
            raise BundleError(
                f"the bundle of {coming.origin.embedder} is not at {coming.bundle} any more; start it again with one"
                " that is, or cancel it"
            )
        return self._embedders[coming.origin.fingerprint]

    async def close(self) -> None:
        """End all jobs; the next start goes on with them."""
        self._closing.set()
        for job in self._jobs.values():
            await job.end("failed", _STOPPING)

    async def _embedder(self, bundle: str, variant: str) -> Embedder:
        """Return the embedder that a request names, which is loaded where it is not there."""
        first = self._embedders.first
        if not bundle and not variant:
            return first
        if bundle and not Path(bundle).is_absolute():
            limit = "it must be the absolute path of a folder on the server"
            raise InvalidRequest("embedder", bundle, limit, "name an embedder's bundle")
        path = Path(bundle) if bundle else first.path
        try:
            return await asyncio.to_thread(self._embedders.add, path, variant or AUTO)
        except (BundleError, ProviderError, ValueError, OSError) as error:  # a path may hold what none can have
            field = "embedder" if bundle else "variant"
            remedy = "name an embedder's bundle on the server, and one of its variants"
            raise InvalidRequest(field, bundle or variant, str(error), remedy) from error

    async def _begun(self, collection: Collection, embedder: Embedder) -> Progress:
        """Begin to make a collection anew; where it is of this embedder, that is done already."""
        made_by, count = origin(embedder.info), len(collection)
        if collection.origin.fingerprint == embedder.fingerprint:
            # What another one has made by now is not wanted any more.
            await self._contents.write(collection.remaking.abandon)
            job = self._jobs[collection.name] = Reindex(
                collection, Progress(collection.name, "done", made_by, count, count)
            )
            self._tidy(collection)
            return job.progress

        async def loaded() -> Embedder:
            return embedder

        job = Reindex(collection, Progress(collection.name, "running", made_by, 0, count))
        self._run(job, loaded)
        return job.progress

    def _run(self, job: Reindex, load: Callable[[], Awaitable[Embedder]]) -> None:
        self._jobs[job.collection.name] = job
        job.start(load, self._contents).add_done_callback(lambda _: self._tidy(job.collection))

    def _tidy(self, collection: Collection) -> None:
        """Drop, in the background, the vectors of a collection and the embedders that are not used any more."""
        self._forget_unused()
        self._keep(asyncio.create_task(self._tidied(collection)))

    def _keep(self, task: "asyncio.Task[Any]") -> None:
        """Keep a task until it is done: the event loop alone would not."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tidied(self, collection: Collection) -> None:
        try:
            await asyncio.to_thread(collection.remaking.tidy, lambda: not self._closing.is_set())
        except ShortlistError as error:  # it was dropped, or the disk fails: the next start does it
            logger.info("collection %s: what a reindex left is still there: %s", collection.name, error)

    def _forget_unused(self) -> None:
        """Forget the embedders of which no collection has, or gets, vectors."""
        coming = {job.progress.origin.fingerprint for job in self._jobs.values() if job.progress.state == "running"}
        self._embedders.keep({one.origin.fingerprint for one in self._contents.collections()} | coming)


def origin(info: ModelInfo) -> Origin:
    """Return what a collection keeps of its embedder."""
    return Origin(f"{info.source.model} ({info.variant})", info.fingerprint, info.dimensions)
