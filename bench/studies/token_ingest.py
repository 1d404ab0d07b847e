"""Measure an ingest with token vectors beside the bare loop of both models, on the same texts.

The bare loop makes the vectors of the embedder and of the late-interaction model, a text a run, on as many threads as
there are cores, and keeps none. A server with the same bundles takes the texts as one stream, into a new collection
each time: with token vectors, pooled by two, and without. All take turns; a turn's ratio is of its own bare loop.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shortlist.bench import beir, local
from shortlist.client import Client, Document
from shortlist.console.errors import UsageError
from shortlist.server import app, cores
from shortlist.server.runtime.tokens import Encoded
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.settings import Settings, within
from shortlist.server.storage.choices import TokenPooling

from . import study
from .study import Bundles

_POOLINGS: tuple[TokenPooling, ...] = ("none", "by-two", "no-vectors")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIngestSettings(Bundles):
    """The settings of the study."""

    late_interaction: Annotated[Path, Parameter(metavar="BUNDLE")]
    """bundle of the late-interaction model"""
    folder: Annotated[Path, Parameter(metavar="PATH")]
    """judged collection as BEIR lays it out, whose passages are ingested"""
    documents: Annotated[int, within(1)] = 1000
    """passages of it, the first ones"""
    rounds: Annotated[int, within(1)] = 5
    """turns of each"""


def main() -> int:
    """Measure and print; return the exit code."""
    options = "--folder squad-dev --late-interaction bundles/late-interaction"
    return study.main("token_ingest", TokenIngestSettings, __doc__, options, run)


def run(chosen: TokenIngestSettings) -> int:
    """Measure turn after turn, print, and return the exit code."""
    texts = [text for _, text in beir.passages(chosen.folder)][: chosen.documents]
    if not texts:
        raise UsageError(f"{chosen.folder} has no passages; name a folder of a judged collection")
    models = *chosen.options, "--late-interaction", str(chosen.late_interaction)
    with tempfile.TemporaryDirectory(prefix="shortlist-token-ingest-") as folder, local.fresh(*models) as address:
        late, data = chosen.late_interaction, Path(folder)
        parts = app.build(
            Settings(embedder=chosen.embedder, reranker=chosen.reranker, late_interaction=late, data=data)
        )
        try:
            return study.finish(_measured(parts.pipeline, address, texts, chosen.rounds))
        finally:
            parts.close()


def _measured(pipeline: Pipeline, address: str, texts: Sequence[str], rounds: int) -> dict[str, object]:
    """Take the turns, and return the medians of rates and of ratios."""
    rates: dict[str, list[float]] = {name: [] for name in ("bare", *_POOLINGS)}
    with Client(address, timeout_s=600) as client:
        for number in range(rounds):
            rates["bare"].append(_rate(len(texts), lambda: _bare(pipeline, texts)))
            for pooling in _POOLINGS:
                name = f"{pooling}-{number}"
                client.create_collection(name, token_pooling=pooling)
                rates[pooling].append(_rate(len(texts), lambda: _ingest(client, name, texts)))  # noqa: B023
            study.row({name: found[-1] for name, found in rates.items()})
    told: dict[str, object] = {"documents": len(texts), "rounds": rounds}
    for name, found in rates.items():
        ratios = [one / bare for one, bare in zip(found, rates["bare"], strict=True)]
        told[name] = {"per_s": statistics.median(found), "of_bare": statistics.median(ratios), "ratios": ratios}
    return told


def _rate(count: int, work: Callable[[], None]) -> float:
    """Return how many texts a second are done."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def _bare(pipeline: Pipeline, texts: Sequence[str]) -> None:
    """Run both models on each text."""
    late = pipeline.late_interaction
    assert late is not None, "it is a setting of the study"  # noqa: S101 (our own)
    embedder = pipeline.embedder
    items = embedder.tokenizer.encode(embedder.prefixed(texts, "document"))

    def both(own: Encoded, marked: Encoded) -> None:
        embedder.graph.run([own])
        late.reader.kept(marked, late.graph.run([marked])[0], "document")

    with ThreadPoolExecutor(cores.usable()) as pool:
        for _ in pool.map(both, items, late.reader.read(texts, "document")):
            pass


def _ingest(client: Client, name: str, texts: Sequence[str]) -> None:
    """Have the server store all texts.

    Raises:
        UsageError: it refused one.
    """
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    refused = [one.error for one in client.ingest(name, documents) if one.error]
    if refused:
        raise UsageError(f"{len(refused)} passages were refused, the first: {refused[0]}")


if __name__ == "__main__":
    sys.exit(main())
