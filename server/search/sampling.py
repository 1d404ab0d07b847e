"""Which searches are done again exactly: a share of all, and the first ones after a start.

One thread does them again, in batches, since a batch shares the pass over the vectors; searches go on meanwhile, and
none waits for it. While a batch is under way the next one is gathered, and what is more is left out.

`offer` runs on the event loop. What samples say is `storage/recall.py`'s matter.
"""

import asyncio
import logging
import random
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

from shortlist.server.storage.filtered import Plan
from shortlist.server.storage.measuring import Measured, Pace, Search

logger = logging.getLogger(__name__)

_BATCH = 32  # searches
_MACHINE_SHARE = 0.05  # of all cores' time


class Sampling:
    """The searches that wait to be done again."""

    def __init__(self, share: float = 0.0, bound_s: float = 0.0, cores: int = 1) -> None:
        """Begin with none.

        Args:
            share: of all searches, that is done again; 0: none is.
            bound_s: that a walk of an index may take.
            cores: of the machine.
        """
        self._share = share
        self._bound_s = bound_s
        self._waiting: WeakKeyDictionary[Measured, list[Search]] = WeakKeyDictionary()
        self._pace = Pace(min(1.0, _MACHINE_SHARE * cores))
        self._thread = ThreadPoolExecutor(1, "sample")
        self._busy = False
        self._rng = random.Random()  # noqa: S311 (no secret)

    def offer(self, measured: Measured, search: Search, plan: Plan | None) -> bool:
        """Take a search that was made, or leave it, and return whether it is a sample.

        Args:
            measured: of the collection that was searched.
            search: that was made.
            plan: by which documents were found; an exact one leaves nothing to measure.
        """
        if not self._share:
            return False
        waiting = self._waiting.setdefault(measured, [])
        chosen = measured.lacks > len(waiting) or self._rng.random() < self._share
        if chosen and measured.walks and plan != "exact" and len(waiting) < _BATCH:
            waiting.append(search)
            self._begin(measured)
        return chosen

    def close(self) -> None:
        """Stop what is under way, and wait for it."""
        self._pace.stop()
        self._thread.shutdown(cancel_futures=True)

    def _begin(self, measured: Measured) -> None:
        """Do the searches of a collection again that wait, if they are enough and nothing is under way."""
        waiting = self._waiting.get(measured, [])
        enough = min(measured.lacks or _BATCH, _BATCH)
        if self._busy or self._pace.stopped or len(waiting) < enough:
            return
        del self._waiting[measured]
        self._busy = True
        done = asyncio.get_running_loop().run_in_executor(self._thread, self._measure, measured, waiting)
        done.add_done_callback(self._ended)

    def _ended(self, _: "asyncio.Future[None]") -> None:
        self._busy = False
        for measured in list(self._waiting):
            self._begin(measured)

    def _measure(self, measured: Measured, searches: list[Search]) -> None:
        """Do searches again; where that fails, the collection was most likely dropped."""
        try:
            measured.measure(searches, self._pace, self._bound_s)
        except Exception:
            logger.exception(
                "collection %s: %d searches could not be done again", measured.recall.name, len(searches)
            )
