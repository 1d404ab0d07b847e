"""The gate of late-interaction models: order and nDCG@10 by MaxSim, and token vectors alone and among others."""

import functools
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from shortlist.export import figures
from shortlist.export.gate import Gate, Limits
from shortlist.export.inference import BATCH, Floats, Runner
from shortlist.export.judging import Judging
from shortlist.export.layout import Layout
from shortlist.export.tokenizer import Written
from shortlist.export.verify import LONGEST_TOKENS
from shortlist.server.runtime.late_interaction import TokenReader, maxsim
from shortlist.server.runtime.manifest import LateInteraction, TextKind
from shortlist.server.runtime.tokens import Encoded
from shortlist.server.settings import Provider

from .trial import reader


class TokenGate(Gate):
    """The texts of a late-interaction model: documents, then queries."""

    def __init__(
        self,
        layout: Layout,
        written: Written,
        rules: LateInteraction,
        judging: Judging,
        limits: Limits,
        fp32: Path,
    ) -> None:
        """Encode the texts; `rules` is what the manifest says, the rest as `Gate` has it."""
        self._reader = reader(layout, rules, written.tokenizer, LONGEST_TOKENS)
        super().__init__(layout.kind, written, encoded(self._reader, judging), judging, limits, fp32)
        self._documents = len(judging.documents())

    @functools.cached_property
    def _expected(self) -> list[Floats]:
        """Run the fp32 graph on every text: float32 [tokens, dimensions] of each."""
        return self.runner(self._fp32).token_vectors(self._items)

    @functools.cached_property
    def _scores_expected(self) -> Floats:
        return self._scores(self._expected)

    def change(self, graph: Path, provider: Provider = "cpu") -> float:
        """Return how much a graph changes a few texts' vectors."""
        places = self._few()
        found = self.runner(graph, provider).token_vectors([self._items[place] for place in places])
        return figures.relative_square(
            np.concatenate([self._expected[place] for place in places]), np.concatenate(found)
        )

    def _figures(self, runner: Runner) -> dict[str, float]:
        found, ends = runner.token_vectors(self._items), self._ends()
        together = runner.token_vectors([self._items[place] for place in ends], BATCH)
        alone = np.concatenate([found[place] for place in ends])
        return {
            **figures.tokens(self._expected, found),
            **self._orders(self._scores(found)),
            "batch_change_max": figures.change(self._kind, alone, np.concatenate(together)),
        }

    def _orders(self, found: Floats) -> dict[str, float]:
        """Return what MaxSim keeps of fp32's order: of each query's list, and of all documents."""
        expected = self._scores_expected
        places = {text: place for place, text in enumerate(self._judging.documents())}
        taus = []
        for asked, before, after in zip(self._judging.lists, expected, found, strict=True):
            row = [places[passage] for passage in asked.passages]
            taus.append(figures.kendall_tau(before[row], after[row]))
        result = {"maxsim_change_max": float(np.abs(expected - found).max()), "kendall_tau": fmean(taus)}
        if any(any(asked.grades) for asked in self._judging.lists):
            result["ndcg10_loss"] = self._judging.ndcg(expected) - self._judging.ndcg(found)
        return result

    def _scores(self, vectors: Sequence[Floats]) -> Floats:
        """Return the mean over a query's vectors of MaxSim with each document: float32 [queries, documents]."""
        kinds: list[TextKind] = ["document" if place < self._documents else "query" for place in range(len(vectors))]
        own = self._reader
        found = [
            own.merged(own.kept(item, one, kind), kind)
            for item, one, kind in zip(self._items, vectors, kinds, strict=True)
        ]
        documents, queries = found[: self._documents], found[self._documents :]
        return np.stack([maxsim(query, documents) / len(query) for query in queries])


def encoded(texts: TokenReader, judging: Judging) -> list[Encoded]:
    """Return the texts as the model reads them: documents, then queries."""
    queries = [asked.query for asked in judging.lists]
    return [*texts.read(judging.documents(), "document"), *texts.read(queries, "query")]
