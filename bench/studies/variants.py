"""Time the variants of a bundle side by side on real texts, and hold their results against fp32's.

A reranker scores the lists of a TREC DL candidates file, an embedder embeds documents of a BEIR corpus, eight
requests at once. The server's scheduler runs them as its defaults have it: on one thread each, as many runs at once
as there are cores, and short texts of one length in one run where the variant allows it. The variants take turns,
round after round; the best round of each counts, and the ratio is to fp32 on onnxruntime's CPU kernels in the same
command, whatever provider the others run on. At the end every text is run alone, and the largest difference from
what it was among the others is told, in a vector's element or a score. The result is JSON.
"""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from shortlist.bench import candidates, texts
from shortlist.console.errors import UsageError
from shortlist.export import figures
from shortlist.export.figures import Floats
from shortlist.server import cores
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime import bundle, providers, variant_selection
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Encoded, Tokenizer
from shortlist.server.settings import Provider, within

from . import study

if TYPE_CHECKING:
    from concurrent.futures import Future

    from shortlist.server.inference.result import Result
Key = tuple[str, Provider]  # a variant, and the provider that it runs on

BASE = "fp32"
BASE_PROVIDER: Provider = "cpu"
_AT_ONCE = 8  # requests
_REQUEST = 50  # passages of one


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantsSettings:
    """The settings of one measurement."""

    bundle: Path
    """of a cross-encoder or a dual encoder"""
    file: Annotated[Path, Parameter(metavar="FILE")]
    """what it runs: candidate lists (JSON) for a cross-encoder, documents for a dual encoder"""
    texts: Annotated[int, within(1)] = 400
    """texts or pairs to run, about"""
    providers: Annotated[tuple[Provider, ...], Parameter(metavar="NAME,NAME")] = ("cpu",)
    """where to run the variants that are for it"""
    rounds: Annotated[int, within(1)] = 5
    """rounds to time"""

    def on(self) -> list[Provider]:
        """Return the providers, checked."""
        return [name for name in providers.KINDS if name in self.providers]


@dataclass(frozen=True, slots=True)
class Timed:
    """The outcome for one variant."""

    model: str  # "reranker" or "embedder"
    variant: str
    provider: str
    texts_per_s: float
    speed: float  # times fp32
    kept: float  # mean Kendall's tau of a list's order, or share of the ten nearest that stay
    change: float  # the largest in a value, between a text alone and the same among others
    passed: bool  # the export's gate


def main() -> int:
    """Measure and print; return the exit code."""
    options = "--bundle .demo/reranker --file lists.json --providers cpu,openvino"
    return study.main("variants", VariantsSettings, __doc__, options, run)


def run(chosen: VariantsSettings) -> int:
    """Measure, print, and return the exit code."""
    found = bundle.load(chosen.bundle)
    if BASE not in found.manifest.variants:
        has = ", ".join(found.manifest.variants)
        raise UsageError(f"{found.path} has no {BASE} to compare with; it has {has}")
    tokenizer = Tokenizer(found)
    lists = (_pairs if found.manifest.kind == "reranker" else _passages)(tokenizer, chosen.file, chosen.texts)
    outcome = measure(found, tokenizer, lists, chosen.rounds, chosen.on())
    for one in outcome:
        study.row(asdict(one))
    return study.finish(outcome)


def measure(
    found: Bundle, tokenizer: Tokenizer, lists: Sequence[Sequence[Encoded]], rounds: int, on: Sequence[Provider]
) -> list[Timed]:
    """Time fp32 on the CPU provider and every variant that the providers can run, on the same lists, on all cores."""
    slots, stacked = cores.usable(), providers.BATCH_TOKENS
    keys = [(name, provider) for provider in on for name in variant_selection.runnable(found.manifest, provider)]
    graphs: dict[Key, Graph] = {
        (name, provider): Graph(found, name, Target(provider, slots=slots), stacked[provider])
        for name, provider in dict.fromkeys([(BASE, BASE_PROVIDER), *keys])
    }
    base = next(iter(graphs))
    for graph in graphs.values():
        graph.warm_up(tokenizer)
    results, best = _timed(graphs, lists, rounds, slots)
    count = sum(map(len, lists))
    kept = _order_kept if found.manifest.kind == "reranker" else _neighbours_kept
    return [
        Timed(
            found.manifest.kind,
            *key,
            round(count / best[key], 1),
            round(best[base] / best[key], 3),
            round(kept(results[base], results[key], [len(one) for one in lists]), 4),
            float(np.abs(results[key] - _alone(graphs[key], lists)).max()),
            found.manifest.variants[key[0]].passed,
        )
        for key in graphs
    ]


def _timed(
    graphs: Mapping[Key, Graph], lists: Sequence[Sequence[Encoded]], rounds: int, slots: int
) -> tuple[dict[Key, Floats], dict[Key, float]]:
    """Return each graph's results, and the seconds of its best round."""
    best, results = dict.fromkeys(graphs, math.inf), {}
    scheduler = Scheduler(slots, sum(len(item) for one in lists for item in one))
    try:
        for _ in range(rounds):
            for key, graph in graphs.items():
                began = time.perf_counter()
                results[key] = _run(scheduler, graph, lists)
                best[key] = min(best[key], time.perf_counter() - began)
    finally:
        scheduler.stop()
    return results, best


def _run(scheduler: Scheduler, graph: Graph, lists: Sequence[Sequence[Encoded]]) -> Floats:
    """Run lists as requests, so many at once: float32 [items, width]."""
    futures: list[Future[Result]] = []
    for items in lists:
        if len(futures) >= _AT_ONCE:
            futures[-_AT_ONCE].result()
        futures.append(scheduler.submit_whole(Lane.RERANK, graph, items))
    return np.concatenate([future.result().values for future in futures])


def _alone(graph: Graph, lists: Sequence[Sequence[Encoded]]) -> Floats:
    """Run each text by itself: float32 [items, width]."""
    return np.concatenate([graph.run([item]) for items in lists for item in items])


def _pairs(tokenizer: Tokenizer, path: Path, most: int) -> list[list[Encoded]]:
    """Return pairs list by list: the first candidates of queries from all over the file."""
    lists = candidates.read(path)
    chosen = lists[:: max(1, len(lists) * _REQUEST // most)]
    return [tokenizer.encode_pairs(one.query, one.texts[:_REQUEST]) for one in chosen]


def _passages(tokenizer: Tokenizer, path: Path, most: int) -> list[list[Encoded]]:
    """Return passages from all over the corpus, in lists."""
    found = texts.find(corpus=path).passages
    chosen = found[:: max(1, len(found) // most)][:most]
    return [tokenizer.encode(chosen[start : start + _REQUEST]) for start in range(0, len(chosen), _REQUEST)]


def _order_kept(base: Floats, other: Floats, lengths: list[int]) -> float:
    """Return Kendall's tau, the mean over lists."""
    ends = np.cumsum(lengths)[:-1]
    lists = zip(np.split(base[:, 0], ends), np.split(other[:, 0], ends), strict=True)
    return fmean(figures.kendall_tau(first, second) for first, second in lists)


def _neighbours_kept(base: Floats, other: Floats, _: list[int]) -> float:
    """Return the share of the ten nearest that stay, the mean over texts."""
    return figures.vectors(base, other)[f"top{figures.NEIGHBOURS}_overlap"]


if __name__ == "__main__":
    sys.exit(main())
