"""How fast graphs run on this machine: nanoseconds a token, at several lengths, one item a run.

The graphs take turns, so that other work on the machine slows all of them alike. The best of several runs counts,
since other work can only add to a run's time. Knows neither bundles nor sessions.
"""

import math
import time
from collections.abc import Callable, Mapping

LENGTHS = (16, 64, 128, 256)  # tokens: a query, a sentence, a passage beside its query, a long passage
_ROUNDS = 7

Run = Callable[[int], object]  # runs one item of that many tokens


def measure(runs: Mapping[str, Run], window: int) -> dict[str, dict[str, float]]:
    """Time each graph at every length that fits the window.

    Returns:
        by graph, the best nanoseconds a token by length in tokens (as text, which is what JSON's keys are).
    """
    found: dict[str, dict[str, float]] = {name: {} for name in runs}
    for length in [length for length in LENGTHS if length <= window] or [window]:
        for run in runs.values():
            run(length)  # the first run of a shape also pays for its memory
        for _ in range(_ROUNDS):
            for name, run in runs.items():
                began = time.perf_counter_ns()
                run(length)
                took = (time.perf_counter_ns() - began) / length
                found[name][str(length)] = min(took, found[name].get(str(length), math.inf))
    return found


def typical(ns_per_token: Mapping[str, float]) -> float:
    """Return one figure for all lengths, their geometric mean: a ratio counts the same at each length."""
    return math.exp(sum(map(math.log, ns_per_token.values())) / len(ns_per_token))
