"""The gate: every variant held against fp32 on real texts, alone and among others.

An embedder is judged by the share of the ten nearest texts that stay, and by nDCG@10 where queries are judged; a
reranker by Kendall's tau of each query's order, and by nDCG@10; a late-interaction model likewise, by MaxSim
(`late_interaction/gate.py`). What is beyond a limit is named.

Knows neither how a graph was made nor what becomes of it.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from shortlist.server.runtime.manifest import Kind
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


class Gate(ABC):
    """The texts as one model reads them, and what graphs of it make of them."""

    def __init__(
        self, kind: Kind, written: Written, items: Sequence[Encoded], judging: Judging, limits: Limits, fp32: Path
    ) -> None:
        """Keep what is compared.

        Args:
            kind: of the model.
            written: its tokenizer.
            items: the texts as it reads them.
            judging: they, as they judge.
            limits: what must be kept.
            fp32: the graph that all others are held against.
        """
        self.pad_token_id = written.pad_token_id
        self._kind = kind
        self._window = written.max_tokens
        self._items = items
        self._judging = judging
        self._limits = limits
        self._fp32 = fp32

    @abstractmethod
    def change(self, graph: Path, provider: Provider = "cpu") -> float:
        """Return how much a graph changes a few results: the mean square, relative to the length of vectors."""

    @abstractmethod
    def _figures(self, runner: Runner) -> dict[str, float]:
        """Return what a graph keeps of fp32, and as batch_change_max how much a result depends on its batch."""

    def judge(self, graph: Path, provider: Provider = "cpu", precision: str = "fp32") -> Judged:
        """Compare a graph, run on a provider in a precision, with fp32 on the plain CPU."""
        parity = {"texts": float(len(self._items)), **self._figures(self.runner(graph, provider, precision))}
        return Judged(parity, parity["batch_change_max"] <= ROUNDING, self._missed(parity))

    def _ends(self) -> list[int]:
        """Return places of texts for batches, the shortest and the longest side by side.

        That is where padding and shared scales tell.
        """
        order = np.argsort([len(item) for item in self._items], kind="stable")
        ends = np.stack([order, order[::-1]], axis=1).ravel()[: min(_TRIED_IN_BATCHES, len(order))]
        return [int(place) for place in ends]

    def _few(self) -> list[int]:
        """Return the places of a few texts."""
        return list(range(0, len(self._items), max(1, len(self._items) // _TRIED_FOR_CHANGE)))

    def runner(self, graph: Path, provider: Provider = "cpu", precision: str = "fp32") -> Runner:
        """Load a graph as this model's."""
        return Runner(graph, self._kind, self.pad_token_id, provider, self._window, precision)

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


class TextGate(Gate):
    """The gate of embedders and rerankers: a vector a text, or a logit a pair."""

    def __init__(self, layout: Layout, written: Written, judging: Judging, limits: Limits, fp32: Path) -> None:
        """Encode the texts; `layout` has the model's prefixes and kind, the rest is as `Gate` has it."""
        super().__init__(layout.kind, written, encoded(layout, written, judging), judging, limits, fp32)

    @functools.cached_property
    def _expected(self) -> Floats:
        """Run the fp32 graph on every text: float32 [texts, dimensions], or [texts] of a reranker."""
        return self.runner(self._fp32).alone(self._items)

    def change(self, graph: Path, provider: Provider = "cpu") -> float:
        """Return how much a graph changes a few results."""
        places = self._few()
        found = self.runner(graph, provider).alone([self._items[place] for place in places])
        if self._kind == "reranker":
            return float(((found - self._expected[places]).astype(np.float64) ** 2).mean())
        return figures.relative_square(self._expected[places], found)

    def _figures(self, runner: Runner) -> dict[str, float]:
        found, ends = runner.alone(self._items), self._ends()
        together = runner.together([self._items[place] for place in ends])
        return {
            **(self._vectors(found) if self._kind == "embedder" else self._orders(found)),
            "batch_change_max": figures.change(self._kind, found[ends], together),
        }

    def _vectors(self, found: Floats) -> dict[str, float]:
        result = figures.vectors(self._expected, found)
        if any(asked.grades for asked in self._judging.lists):
            result["ndcg10_loss"] = self._retrieved(self._expected) - self._retrieved(found)
        return result

    def _retrieved(self, vectors: Floats) -> float:
        """Return nDCG@10 of ordering all documents for each judged query."""
        count = len(self._judging.documents())
        return self._judging.ndcg(vectors[count:] @ vectors[:count].T)

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


def encoded(layout: Layout, written: Written, judging: Judging) -> list[Encoded]:
    """Return the texts as the model reads them: documents, then queries; of a reranker every pair, list by list."""
    tokenizer = Tokenizer(written.narrowed(LONGEST_TOKENS))
    if layout.kind == "reranker":
        return [item for asked in judging.lists for item in tokenizer.encode_pairs(asked.query, asked.passages)]
    documents = [layout.document_prefix + text for text in judging.documents()]
    queries = [layout.query_prefix + asked.query for asked in judging.lists]
    return tokenizer.encode([*documents, *queries])
