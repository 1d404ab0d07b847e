"""Measure what MaxSim adds to a dual encoder's order, on judged collections: dense alone beside dense, then MaxSim.

Each query's candidates are the embedder's best, by exact search; MaxSim orders them again, over token vectors of a
late-interaction bundle that passages have as a collection stores them (int8). nDCG@10, linear gain, and
the 95% interval of the mean difference by Student's paired t-test. The result is JSON.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray
from scipy import stats

from shortlist.bench import beir, command, measures
from shortlist.export.inference import Runner
from shortlist.server.runtime import bundle
from shortlist.server.runtime.late_interaction import TokenReader
from shortlist.server.runtime.manifest import TextKind
from shortlist.server.settings import within
from shortlist.server.storage import maxsim

from . import reading
from .candidates import Index
from .exported import Embedder
from .models import Floats
from .reading import Examples

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class WorthSettings:
    """The settings of one measurement."""

    embedder: Path
    """bundle of the dual encoder"""
    late_interaction: Path
    """bundle of the late-interaction model"""
    folders: Annotated[tuple[Path, ...], Parameter(metavar="PATH,PATH")]
    """judged collections as BEIR lays them out"""
    variant: str = "int8-token"
    """graph of the late-interaction model"""
    candidates: Annotated[int, within(2)] = 100
    """how many of the embedder's best are ordered again"""
    queries: Annotated[int, within(2)] = 1000
    """most queries of a collection, its first"""
    kept: Path | None = None
    """folder that keeps the embedder's vectors for another measurement"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What both orders are worth on one collection."""

    collection: str
    queries: int
    dense: float
    maxsim: float
    gain: float
    low: float  # of the gain's 95% interval
    high: float
    vectors: float  # a passage, on average


class _Tokens:
    """A bundle's token vectors, those of documents as they are stored."""

    def __init__(self, folder: Path, variant: str) -> None:
        found = bundle.load(folder, "late-interaction")
        self._reader = TokenReader.of(found)
        self._runner = Runner(found.graph(variant), "late-interaction", found.manifest.pad_token_id)

    def vectors(self, texts: Sequence[str], kind: TextKind) -> list[Floats]:
        own = self._reader
        items = own.read(texts, kind)
        made = self._runner.token_vectors(items)
        return [own.merged(own.kept(*one, kind), kind) for one in zip(items, made, strict=True)]


def main() -> int:
    """Measure and print; return the exit code."""
    example = (
        "python -m shortlist.finetune.maxsim_worth --embedder .demo/embedder \\\n"
        "  --late-interaction bundles/late-interaction --folders squad-dev,cranfield"
    )
    return command.main("finetune.maxsim_worth", WorthSettings, __doc__, example, run)


def run(chosen: WorthSettings) -> int:
    """Measure, print, and return the exit code."""
    embedder = Embedder(chosen.embedder, lambda line: command.show(line, beside_json=True))
    tokens = _Tokens(chosen.late_interaction, chosen.variant)
    command.result([asdict(_measured(folder, embedder, tokens, chosen)) for folder in chosen.folders])
    return command.OK


def _measured(folder: Path, embedder: Embedder, tokens: _Tokens, chosen: WorthSettings) -> Worth:
    judged = beir.load(folder)
    documents, _ = reading.read_corpus(judged.corpus)
    index = Index(embedder, Examples(judged.queries, documents, judged.relevant), chosen.kept)
    names = list(judged.queries)[: chosen.queries]
    texts = [judged.queries[name] for name in names]
    found = [ids for ids, _ in index.search(texts, chosen.candidates)]
    needed = list(dict.fromkeys(one for ids in found for one in ids))
    stored = tokens.vectors([documents[one] for one in needed], "document")
    blobs = {one: maxsim.packed(vectors) for one, vectors in zip(needed, stored, strict=True)}
    before, after = [], []
    for name, ids, query in zip(names, found, tokens.vectors(texts, "query"), strict=True):
        scores = maxsim.scores(query, [blobs[one] for one in ids])
        order = np.argsort(-scores, kind="stable")
        before.append(measures.ndcg(ids, judged.relevant[name]))
        after.append(measures.ndcg([ids[place] for place in order], judged.relevant[name]))
    return _worth(judged.name, np.array(before), np.array(after), float(np.mean([len(one) for one in stored])))


def _worth(name: str, before: NDArray[np.float64], after: NDArray[np.float64], vectors: float) -> Worth:
    interval = stats.ttest_rel(after, before).confidence_interval(_CONFIDENCE)
    return Worth(
        collection=name,
        queries=len(before),
        dense=float(before.mean()),
        maxsim=float(after.mean()),
        gain=float((after - before).mean()),
        low=float(interval.low),
        high=float(interval.high),
        vectors=vectors,
    )


if __name__ == "__main__":
    sys.exit(main())
