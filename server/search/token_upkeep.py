"""The token vectors that documents lack, made in the background from their stored texts, collection after collection.

    begin, where the model is another -> (missing -> make -> add)... -> every document has them

Documents lack them where a collection is to have others since, and where they were written without: before its
choice, or by a server without a late-interaction model. A batch of each collection in turn runs in the ingest lane;
what was made is on disk, so the next start goes on with the rest. What fails is tried again when something is
written, every minute, and at the next start.

Runs on the event loop; what blocks goes to threads. Plain types only.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from shortlist.server.errors import NoTokens, ShortlistError, ShuttingDown, TooLarge, UnknownCollection, shown
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from shortlist.server.storage.token_vectors import TokenVectors

from .contents import Contents
from .patience import patiently
from .token_source import TokenSource

logger = logging.getLogger(__name__)

State = Literal["none", "making", "ready", "unusable"]

_BATCH = 64  # documents that are made at once: no more bytes than a request may have
_AGAIN_S = 60.0  # until what failed is tried again


class TokenState(NamedTuple):
    """Whether searches use a collection's token vectors."""

    state: State
    fault: str = ""  # why not, where that is not for lack of time


@dataclass(slots=True)
class _Walk:
    """The way through the documents that lack token vectors, of one collection and one generation."""

    collection: Collection
    generation: int
    batch: int  # documents that are made at once
    after: int = 0  # the number up to which documents were walked
    through: bool = False  # nothing is left but what the model cannot run
    tidy: bool = False  # vectors of generations before are dropped
    failed: str = ""  # the id of the first one that the model could not run
    fault: str = ""  # what ended the walk

    def pass_over(self, failed: Sequence[tuple[int, Document]]) -> None:
        """Leave documents that the model cannot run without token vectors."""
        for seq, document in failed:
            self.after, self.failed = seq, self.failed or document.id


class TokenUpkeep:
    """The collections whose documents lack token vectors."""

    def __init__(self, contents: Contents, source: TokenSource) -> None:
        """Begin with nothing done."""
        self._contents = contents
        self._source = source
        self._walks: dict[str, _Walk] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = threading.Event()

    def start(self) -> None:
        """Make what is missing from now on."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; the next start goes on."""
        self._closing.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def state(self, collection: Collection) -> TokenState:
        """Return whether searches use a collection's token vectors."""
        there, made_by = collection.token_vectors, self._source.origin
        if not there.wanted:
            return TokenState("none")
        if made_by is None:
            what = f"they are of {there.model}, and the server has no late-interaction model"
            return TokenState("unusable", f"{what}; start it with --late-interaction BUNDLE")
        if self._source.makes(there) and there.ready:
            return TokenState("ready")
        walk = self._walks.get(collection.name)
        if walk is None or walk.collection is not collection or not (walk.fault or (walk.through and walk.failed)):
            return TokenState("making")
        if walk.fault:
            return TokenState("unusable", walk.fault)
        what = f"the model cannot run {there.of - there.documents} of {there.of} documents"
        return TokenState("unusable", f"{what}, the first of them {shown(walk.failed)}; change or delete them")

    async def _run(self) -> None:
        """Make what is missing, a batch of each collection in turn, and wait where nothing is."""
        due = self._contents.token_vectors_due
        while True:
            due.clear()
            collections = self._contents.collections()
            self._walks = {one.name: self._walks[one.name] for one in collections if one.name in self._walks}
            if any([await self._advanced(collection) for collection in collections]):
                continue
            again_s = _AGAIN_S if any(walk.fault for walk in self._walks.values()) else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again_s):
                    await due.wait()

    async def _advanced(self, collection: Collection) -> bool:
        """Make some of what a collection lacks, and return whether there may be more to do."""
        walk = self._walk(collection)
        try:
            return await self._step(walk)
        except (UnknownCollection, ShuttingDown):  # it was dropped, or the next start goes on
            return False
        except ShortlistError as error:
            fault = str(error)
        except Exception:
            logger.exception("collection %s: its token vectors failed", collection.name)
            fault = "the server's log has the cause"
        if fault != walk.fault:
            logger.warning("collection %s: its token vectors are not made: %s", collection.name, fault)
        walk.fault = fault
        return False

    def _walk(self, collection: Collection) -> _Walk:
        """Return the way through a collection, a new one where other vectors are wanted."""
        there, generation = self._walks.get(collection.name), collection.token_vectors.generation
        if there is None or there.collection is not collection or there.generation != generation:
            there = self._walks[collection.name] = _Walk(collection, generation, _BATCH)
        return there

    async def _step(self, walk: _Walk) -> bool:
        making, there = walk.collection.token_making, walk.collection.token_vectors
        made_by = self._source.origin
        if there.wanted and made_by is not None and not self._source.makes(there):
            what = "collection %s: its token vectors are of %s, and are made anew by %s"
            logger.warning(what, walk.collection.name, there.model, made_by.embedder)
            await self._contents.write(making.begin, there.pooling, made_by)
            return True
        if self._source.makes(there) and not there.ready:
            return await self._made(walk, there)
        if not walk.tidy and (there.ready or not there.wanted):
            await asyncio.to_thread(making.tidy, lambda: not self._closing.is_set())
            walk.tidy = True
        walk.failed = walk.fault = ""
        return False

    async def _made(self, walk: _Walk, there: TokenVectors) -> bool:
        """Make the next batch, and return whether there was one."""
        making, name = walk.collection.token_making, walk.collection.name
        batch = await asyncio.to_thread(making.missing, walk.after, walk.batch)
        walk.through = not batch
        if walk.through:
            return False
        if not walk.after:
            lacking = there.of - there.documents
            logger.info("collection %s: %d documents get token vectors of %s", name, lacking, there.model)
        try:
            made = await patiently(partial(self._source.make, [one.content for _, one in batch], there.pooling))
        except TooLarge:
            if len(batch) == 1:
                raise
            walk.batch = len(batch) // 2
            return True
        except NoTokens as error:  # of one: those before it first, then on behind it
            walk.batch = error.index or _BATCH
            if not error.index:
                walk.pass_over(batch[:1])
            return True
        done = made.done.tolist()
        if kept := [seq for (seq, _), is_done in zip(batch, done, strict=True) if is_done]:
            await self._contents.write(making.add, kept, made.kept(made.done), there.generation)
        walk.pass_over([one for one, is_done in zip(batch, done, strict=True) if not is_done])
        walk.after, walk.fault = batch[-1][0], ""
        if walk.collection.token_vectors.ready:
            logger.info("collection %s: all documents have token vectors", name)
        return True
