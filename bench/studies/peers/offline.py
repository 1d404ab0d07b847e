"""The bare onnxruntime loop: tokenized texts through one graph in the known arrangements, and nothing around it.

No server answers faster than the best of them: it is the *offline ideal* that Shortlist is held against. Feeds are
stacked and padded before the clock starts. Sessions have onnxruntime's own settings but for the number of threads; a
text a run also leaves memory to malloc, as Shortlist does, since that is faster.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime as ort

from shortlist.server.runtime.tokens import Encoded, pad

from .peer import Floats
from .turns import Turn


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How texts share runs, and runs share cores."""

    name: str
    batch: int  # texts in a run
    by_length: bool  # whether texts of similar length share one
    alone: bool  # whether a run has one thread and there are as many at once as cores; else one run has all cores


# What servers do (in the order of arrival, a run on all threads), that with less padding, and none of it.
ARRANGEMENTS = (
    Arrangement("batches of 32", 32, by_length=False, alone=False),
    Arrangement("batches of 32 by length", 32, by_length=True, alone=False),
    Arrangement("batches of 8 by length", 8, by_length=True, alone=False),
    Arrangement("one a run", 1, by_length=False, alone=True),
)


@dataclass(frozen=True, slots=True)
class Stack:
    """One run's inputs, and which texts they are."""

    places: list[int]
    feeds: dict[str, Any]


class Loop:
    """A loop over texts in one arrangement on one session."""

    def __init__(self, graph: Path, arrangement: Arrangement, cores: int, pad_token_id: int) -> None:
        """Load the graph."""
        self.arrangement = arrangement
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1 if arrangement.alone else cores
        options.enable_cpu_mem_arena = not arrangement.alone
        self._session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        self._workers = ThreadPoolExecutor(cores if arrangement.alone else 1)
        self._pad_token_id = pad_token_id

    def prepare(self, items: Sequence[Encoded]) -> list[Stack]:
        """Stack texts into runs."""
        places = list(range(len(items)))
        if self.arrangement.by_length:
            places.sort(key=lambda place: len(items[place]))
        batch = self.arrangement.batch
        return [self._stacked(items, places[start : start + batch]) for start in range(0, len(places), batch)]

    def run(self, runs: Sequence[Stack]) -> Floats:
        """Return the outputs in the texts' order, float32 [texts, ...]."""
        outputs = list(self._workers.map(lambda one: self._session.run(None, one.feeds)[0], runs))
        order = np.argsort([place for one in runs for place in one.places])
        return np.asarray(np.concatenate(outputs)[order], np.float32)

    def measure(self, groups: Iterator[Sequence[Encoded]], seconds: float) -> Turn:
        """Run group after group until the time is over; the latency is that of a group."""
        latencies, items, elapsed = [], 0, 0.0
        while elapsed < seconds:
            runs = self.prepare(next(groups))
            began = perf_counter()
            self.run(runs)
            latencies.append(perf_counter() - began)
            elapsed += latencies[-1]
            items += sum(len(one.places) for one in runs)
        return Turn(tuple(latencies), items, elapsed)

    def close(self) -> None:
        """End the workers."""
        self._workers.shutdown()

    def _stacked(self, items: Sequence[Encoded], places: list[int]) -> Stack:
        feeds = pad([items[place] for place in places], self._pad_token_id)
        return Stack(places, {name: feeds[name] for name in self._inputs})
