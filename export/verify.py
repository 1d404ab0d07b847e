"""The proof: what the fp32 graph makes of texts, held against what the model's authors' own library makes of them.

From text to number, as the server goes it: prefix, tokenizer, window, token types, graph, and a reranker's score.
First each text's tokens are compared, then the numbers. Every text is run alone, as the server does on CPUs, and
again among others in a padded batch. A figure beyond its limit ends the export. What the other variants may cost is
the gate's matter (gate.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

import numpy as np

from shortlist.server.errors import shown
from shortlist.server.runtime.manifest import Kind, TextKind
from shortlist.server.runtime.tokens import Encoded, Tokenizer

from . import figures, texts
from .errors import ExportError
from .inference import Floats, Results, Runner
from .layout import Layout
from .reference import SAID, Reference, Scale, Text
from .tokenizer import Written

LONGEST_TOKENS = 512  # of a text that is run; wider windows would make it a matter of minutes
_CHARACTERS_A_TOKEN = 4  # of English; other texts have fewer

# fp32 computes the same as PyTorch up to the order of its sums.
_AT_LEAST = {"cosine_min": 1 - 1e-5}
_AT_MOST = {
    "element_change_max": 1e-4,
    "score_change_max": 1e-4,
    "batch_change_max": 1e-4,
    "maxsim_change_max": 1e-4,  # of the mean over a query's vectors
}

_COMPARED: dict[Scale, Callable[[Floats, Floats], dict[str, float]]] = {
    "vector": figures.vectors,
    "logit": figures.logits,
    "score": figures.scores,
}


@dataclass(frozen=True, slots=True)
class Probe:
    """One text of the trial."""

    text: Text
    kind: TextKind
    whole: bool  # whether the reference was run on all that the window takes of it


class Trial(Protocol):
    """A model's texts as the server reads them, and what the reference makes of each."""

    probes: list[Probe]

    @property
    def dimensions(self) -> int:
        """The number of a vector's elements; 0 for a reranker."""

    def measure(self, graph: Path) -> dict[str, float]:
        """Run a graph on every text, alone and in padded batches, and return figures by name."""

    def compare(self, found: Results, places: Sequence[int]) -> dict[str, float]:
        """Compare what was made of some texts with the reference's numbers."""


class TextTrial:
    """The trial of an embedder or a reranker."""

    def __init__(self, reference: Reference, layout: Layout, written: Written) -> None:
        """Compare how both read the texts, and run the reference.

        Args:
            reference: the model as it runs elsewhere.
            layout: its prefixes, and its kind.
            written: the bundle's tokenizer.

        Raises:
            ExportError: a text is read otherwise; the text and the place are named.
        """
        self._kind = layout.kind
        self._pad = written.pad_token_id
        self._scale = reference.scale
        if not written.own_window:
            reference.window(written.max_tokens)
        narrow = written.narrowed(LONGEST_TOKENS)
        self.probes: list[Probe] = []
        self._items: list[Encoded] = []
        for kind, given in asked(layout.kind, written.max_tokens).items():
            _compare(reference, given, kind, _encoded(layout, written, given, kind))
            items = _encoded(layout, narrow, given, kind)
            for text, item in zip(given, items, strict=True):
                if len(item):  # a text of no token at all is none that the server runs
                    self.probes.append(Probe(text, kind, whole=narrow == written or not item.truncated))
                    self._items.append(item)
        if narrow != written:
            reference.window(narrow.max_tokens)
        self.expected = np.concatenate([reference.run(given, kind) for kind, given in self._by_kind().items()])

    @property
    def dimensions(self) -> int:
        """The number of a vector's elements; 0 for a reranker."""
        return int(self.expected.shape[1]) if self._kind == "embedder" else 0

    def measure(self, graph: Path) -> dict[str, float]:
        """Run a graph on every text, alone and in padded batches.

        Returns:
            figures by name; changes are of the vectors' elements, relative to a vector's length, or of scores.
        """
        runner = Runner(graph, self._kind, self._pad)
        alone = runner.alone(self._items)
        return {
            "texts": float(len(self._items)),
            **self.compare(alone, range(len(self._items))),
            "batch_change_max": figures.change(self._kind, alone, runner.together(self._items)),
        }

    def compare(self, found: Results, places: Sequence[int]) -> dict[str, float]:
        """Compare vectors or logits with the reference's numbers.

        Args:
            found: float32 [texts, dimensions] or, of a reranker, [texts].
            places: which of the texts these are.

        Raises:
            ExportError: vectors have more or fewer elements than the reference's.
        """
        values = np.asarray(found)
        if values.shape[1:] != self.expected.shape[1:]:
            raise elements(values.shape[1], self.expected.shape[1])
        return _COMPARED[self._scale](self.expected[places], values)

    def _by_kind(self) -> dict[TextKind, list[Text]]:
        kinds = dict.fromkeys(probe.kind for probe in self.probes)
        return {kind: [probe.text for probe in self.probes if probe.kind == kind] for kind in kinds}


def elements(found: int, expected: int) -> ExportError:
    """Return the error of vectors of another width than the reference's."""
    return ExportError(f"vectors have {found} elements, but the reference's have {expected}; no bundle was written")


def shortfall(parity: dict[str, float]) -> str:
    """Return which figures of a fp32 graph are beyond their limits; empty if none is."""
    found = [
        f"{name} is {parity[name]:.6g}, but must be {bound:.6g} or more"
        for name, bound in _AT_LEAST.items()
        if name in parity and not parity[name] >= bound  # so that NaN falls short
    ]
    found += [
        f"{name} is {parity[name]:.6g}, but must be {bound:.6g} or less"
        for name, bound in _AT_MOST.items()
        if name in parity and not parity[name] <= bound
    ]
    return "; ".join(found)


def asked(kind: Kind, window: int) -> dict[TextKind, list[Text]]:
    """Return texts short, long, cased, empty once they are cleaned, and of many languages."""
    found = texts.questions_and_passages()
    # One text fills the window, so that its last position is tried too, and is not much longer: transformers'
    # tokenizers combine each window of a pair's one text with each of the other's, which can take seconds.
    everything = " ".join(" ".join(text for _, text in found).split()[:window])
    if kind == "reranker":
        query, passage = found[0]
        odd = [pair for text in texts.ODD for pair in ((text, passage), (query, text))]
        # Enough to be cut on both sides: of a pair, `tokenizers` keeps each part of the one beside each of the other.
        enough = everything[: _CHARACTERS_A_TOKEN * LONGEST_TOKENS]
        return {"query": [*texts.pairs(), *odd, (query, everything), (enough, enough)]}
    queries, passages = zip(*found, strict=True)
    return {"query": [*queries, *texts.ODD], "document": [*passages, *texts.ODD, everything]}


def _encoded(layout: Layout, written: Written, given: Sequence[Text], kind: TextKind) -> list[Encoded]:
    """Encode texts as the server does."""
    tokenizer = Tokenizer(written)
    if layout.kind == "reranker":
        return [item for pair in given for item in tokenizer.encode_pairs(pair[0], [pair[1]])]
    prefix = layout.query_prefix if kind == "query" else layout.document_prefix
    return tokenizer.encode([f"{prefix}{text}" for text in given])


def _compare(reference: Reference, given: Sequence[Text], kind: TextKind, items: Sequence[Encoded]) -> None:
    """Refuse a tokenizer that reads a text otherwise than the reference does."""
    for text, item, expected in zip(given, items, reference.read(given, kind), strict=True):
        ours = (item.input_ids.tolist(), item.type_ids.tolist())
        for name, mine, theirs in zip(("token ids", "token types"), ours, expected, strict=True):
            if theirs is not None:
                same(text, kind, name, mine, theirs, SAID[reference.name])


def same(text: Text, kind: TextKind, name: str, mine: list[int], theirs: list[int], said: str) -> None:
    """Refuse a text of which the server's own code makes something else than the reference.

    Raises:
        ExportError: naming the text and the place.
    """
    if mine != theirs:
        place = next(place for place, pair in enumerate(zip_longest(mine, theirs)) if len(set(pair)) > 1)
        raise ExportError(
            f"{shown(text)} as a {kind} is read otherwise than by {said}: {len(mine)}"
            f" {name} and not {len(theirs)}, different from place {place} on"
            f" ({mine[place : place + 3]}, not {theirs[place : place + 3]}); no bundle was written"
        )
