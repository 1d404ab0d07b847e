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
from shortlist.server.runtime.late_interaction import TokenReader
from shortlist.server.runtime.manifest import prefixed
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Encoded, Tokenizer

from .errors import ExportError
from .inference import Results, each
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
        for name in found.manifest.variants:
            some = places if name == "fp32" else places[:: max(1, len(places) // _FEW)]
            values = _results(found, name, [trial.probes[place] for place in some])
            if not all(np.isfinite(value).all() for value in values):
                raise ExportError(f"{name} gives numbers that are not finite")
            if name == "fp32" and (missed := shortfall(trial.compare(values, places))):
                raise ExportError(f"fp32, loaded as the server does, {missed}")
    except StartupError as error:
        raise ExportError(f"the new bundle is not served as it should be: {error}; no bundle was written") from error


def _results(found: Bundle, variant: str, probes: Sequence[Probe]) -> Results:
    """Run texts alone: float32 [texts, dimensions], [texts] of a reranker, or each text's token vectors."""
    where = cast("Provider", found.manifest.variants[variant].measured_on)
    graph = Graph(found, variant, Target(where, slots=cores.usable()), batch_tokens=0)
    if found.manifest.late_interaction is not None:
        reader = TokenReader.of(found)
        items = [item for probe in probes for item in reader.read([str(probe.text)], probe.kind)]
        made = each(lambda item: graph.run([item])[0], items)
        return [reader.kept(item, one, probe.kind) for item, one, probe in zip(items, made, probes, strict=True)]
    values = np.concatenate(each(lambda item: graph.run([item]), _read(found, probes)))
    return values if found.manifest.kind == "embedder" else values[:, 0]


def _read(found: Bundle, probes: Sequence[Probe]) -> list[Encoded]:
    tokenizer = Tokenizer(found)
    items = []
    for probe in probes:
        if isinstance(probe.text, str):
            items += tokenizer.encode(prefixed(found.manifest, [probe.text], probe.kind))
        else:
            items += tokenizer.encode_pairs(probe.text[0], [probe.text[1]])
    return items
