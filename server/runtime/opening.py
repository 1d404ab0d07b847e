"""The graph that a bundle is run with: its variant chosen, and loaded once."""

import functools
from collections.abc import Collection

from .bundle import Bundle
from .graph import Graph
from .providers import Target
from .variant_selection import Timings, choose
from .variant_timings import Run


def opened(
    source: Bundle,
    asked: str,
    target: Target,
    batch_tokens: int,
    timings: Timings,
    made_with: Collection[str] = (),
) -> Graph:
    """Load the variant that is asked for, or the one that is chosen; arguments as `Graph` and `choose` have them."""

    @functools.cache  # what had to be loaded to be timed is not loaded again
    def load(variant: str) -> Graph:
        return Graph(source, variant, target, batch_tokens)

    def runs(variant: str) -> Run:
        return load(variant).run_length

    return load(choose(source, asked, target.provider, made_with, timings, runs))
