"""The last check: a bundle loaded and run by the server's own code, before it takes another's place."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from shortlist.server import cores
from shortlist.server.errors import StartupError
from shortlist.server.runtime import bundle
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.manifest import prefixed
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Encoded, Tokenizer

from .errors import ExportError
from .inference import Floats, each
from .verify import Probe, Trial, shortfall

if TYPE_CHECKING:
    from shortlist.server.settings import Provider

_FEW = 8  # texts that every variant is run on


def prove(folder: Path, trial: Trial) -> None:
    """Load a bundle as the server does, run every variant, and hold fp32 against the reference once more.

    Args:
        folder: the whole bundle.
        trial: texts, and what the reference makes of them.

    Raises:
        ExportError: it does not load or run, or the numbers are others.
    """
    places = [place for place, probe in enumerate(trial.probes) if probe.whole]
    try:
        found = bundle.load(folder)
        items = _read(found, [trial.probes[place] for place in places])
        for name in found.manifest.variants:
            few = items if name == "fp32" else items[:: max(1, len(items) // _FEW)]
            values = _run(found, name, few)
            if not np.isfinite(values).all():
                raise ExportError(f"{name} gives numbers that are not finite")
            if name == "fp32" and (missed := shortfall(trial.compare(values, places))):
                raise ExportError(f"fp32, loaded as the server does, {missed}")
    except StartupError as error:
        raise ExportError(f"the new bundle is not served as it should be: {error}; no bundle was written") from error


def _read(found: Bundle, probes: Sequence[Probe]) -> list[Encoded]:
    tokenizer = Tokenizer(found)
    items = []
    for probe in probes:
        if isinstance(probe.text, str):
            items += tokenizer.encode(prefixed(found.manifest, [probe.text], probe.kind))
        else:
            items += tokenizer.encode_pairs(probe.text[0], [probe.text[1]])
    return items


def _run(found: Bundle, variant: str, items: Sequence[Encoded]) -> Floats:
    """Run items alone: float32 [texts, dimensions], or [texts] of a reranker."""
    where = cast("Provider", found.manifest.variants[variant].measured_on)
    graph = Graph(found, variant, Target(where, slots=cores.usable()), batch_tokens=0)
    values = np.concatenate(each(lambda item: graph.run([item]), items))
    return values if found.manifest.kind == "embedder" else values[:, 0]
