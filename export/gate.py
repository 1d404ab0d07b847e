"""The gate: every variant held against fp32 on real texts, alone and among others.

An embedder is judged by the share of the ten nearest texts that stay, and by nDCG@10 where queries are judged; a
reranker by Kendall's tau of each query's order, and by nDCG@10. What is beyond a limit is named.

Knows neither how a graph was made nor what becomes of it.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from shortlist.server.runtime.tokens import Encoded, Tokenizer
from shortlist.server.settings import Provider

from . import figures
from .inference import Floats, Runner
from .judging import Judging
from .layout import Layout
from .tokenizer import Written
from .verify import LONGEST_TOKENS

# Padding changes the order in which fp32 kernels sum, hence an element's last bits; scales that are shared over a
# batch change it ten thousand times as much.
ROUNDING = 1e-5
_TRIED_IN_BATCHES = 64  # texts
_TRIED_FOR_CHANGE = 40  # texts


@dataclass(frozen=True, slots=True)
class Limits:
    """What a variant must keep of fp32."""

    top10_overlap: float
    kendall_tau: float
    ndcg_loss: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate found."""

    parity: dict[str, float]
    batch_invariant: bool
    missed: str  # the limits that it is beyond, with its figures; empty: passed


class Gate:
    """The texts as one model reads them, and the fp32 graph's results for each."""

    def __init__(self, layout: Layout, written: Written, judging: Judging, limits: Limits, fp32: Path) -> None:
        """Encode the texts.

        Args:
            layout: the model's prefixes and kind.
            written: its tokenizer.
            judging: the texts that judge.
            limits: what must be kept.
            fp32: the graph that all others are held against.
        """
        self._kind = layout.kind
        self.pad_token_id = written.pad_token_id
        self._judging = judging
        self._limits = limits
        self._window = written.max_tokens
        self._items = encoded(layout, written, judging)
        self._fp32 = fp32

    @functools.cached_property
    def _expected(self) -> Floats:
        """Run the fp32 graph on every text: float32 [texts, dimensions], or [texts] of a reranker."""
        return self.runner(self._fp32).alone(self._items)

    def judge(self, graph: Path, provider: Provider = "cpu", precision: str = "fp32") -> Judged:
        """Compare a graph, run on a provider in a precision, with fp32 on the plain CPU."""
        runner = self.runner(graph, provider, precision)
        found = runner.alone(self._items)
        # The shortest and the longest side by side: that is where padding and shared scales tell.
        order = np.argsort([len(item) for item in self._items], kind="stable")
        ends = np.stack([order, order[::-1]], axis=1).ravel()[: min(_TRIED_IN_BATCHES, len(order))]
        together = runner.together([self._items[place] for place in ends])
        parity = {
            "texts": float(len(self._items)),
            **(self._vectors(found) if self._kind == "embedder" else self._orders(found)),
            "batch_change_max": figures.change(self._kind, found[ends], together),
        }
        return Judged(parity, parity["batch_change_max"] <= ROUNDING, self._missed(parity))

    def runner(self, graph: Path, provider: Provider = "cpu", precision: str = "fp32") -> Runner:
        """Load a graph as this model's."""
        return Runner(graph, self._kind, self.pad_token_id, provider, self._window, precision)

    def change(self, graph: Path, provider: Provider = "cpu") -> float:
        """Return how much a graph changes a few results: the mean square, relative to the length of vectors."""
        step = max(1, len(self._items) // _TRIED_FOR_CHANGE)
        found = self.runner(graph, provider).alone(self._items[::step])
        difference = (found - self._expected[::step]).astype(np.float64) ** 2
        if self._kind == "reranker":
            return float(difference.mean())
        lengths = (self._expected[::step].astype(np.float64) ** 2).sum(axis=1)
        return float((difference.sum(axis=1) / lengths).mean())

    def _vectors(self, found: Floats) -> dict[str, float]:
        result = figures.vectors(self._expected, found)
        if any(asked.grades for asked in self._judging.lists):
            result["ndcg10_loss"] = self._retrieved(self._expected) - self._retrieved(found)
        return result

    def _retrieved(self, vectors: Floats) -> float:
        """Return nDCG@10 of ordering all documents for each judged query."""
        documents = {text: place for place, text in enumerate(self._judging.documents())}
        queries = vectors[len(documents) :]
        values = []
        for asked, query in zip(self._judging.lists, queries, strict=True):
            if any(asked.grades):
                grades = [0] * len(documents)
                for passage, grade in zip(asked.passages, asked.grades, strict=True):
                    grades[documents[passage]] = grade
                values.append(figures.ndcg_by(vectors[: len(documents)] @ query, grades))
        return fmean(values)

    def _orders(self, found: Floats) -> dict[str, float]:
        taus: list[float] = []
        gains: list[tuple[float, float]] = []
        start = 0
        for asked in self._judging.lists:
            place = slice(start, start + len(asked.passages))
            start = place.stop
            taus.append(figures.kendall_tau(self._expected[place], found[place]))
            if any(asked.grades):
                before, after = (figures.ndcg_by(one[place], asked.grades) for one in (self._expected, found))
                gains.append((before, after))
        result = {**figures.logits(self._expected, found), "kendall_tau": fmean(taus)}
        if gains:
            result["ndcg10_loss"] = fmean(before - after for before, after in gains)
        return result

    def _missed(self, parity: dict[str, float]) -> str:
        limits = self._limits
        found = [
            f"{name} {parity[name]:.4f} is below {least:g}"
            for name, least in (("top10_overlap", limits.top10_overlap), ("kendall_tau", limits.kendall_tau))
            if name in parity and not parity[name] >= least  # so that NaN is beyond
        ]
        if "ndcg10_loss" in parity and not parity["ndcg10_loss"] <= limits.ndcg_loss:
            found.append(f"ndcg10_loss {parity['ndcg10_loss']:.4f} is above {limits.ndcg_loss:g}")
        return ", ".join(found)


def encoded(layout: Layout, written: Written, judging: Judging) -> list[Encoded]:
    """Return the texts as the model reads them: documents, then queries; of a reranker every pair, list by list."""
    tokenizer = Tokenizer(written.narrowed(LONGEST_TOKENS))
    if layout.kind == "reranker":
        return [item for asked in judging.lists for item in tokenizer.encode_pairs(asked.query, asked.passages)]
    documents = [layout.document_prefix + text for text in judging.documents()]
    queries = [layout.query_prefix + asked.query for asked in judging.lists]
    return tokenizer.encode([*documents, *queries])
