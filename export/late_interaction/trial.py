"""The proof of a late-interaction model: from text to MaxSim, as the server goes it, held against PyTorch.

First the ids and the attention of each text are compared, then the vectors of its tokens that count and the MaxSim of
every query with every document. Texts, limits and batches are those of the other kinds (verify.py). How alike vectors
are merged is compared on the reference's own: which two are the most alike may hang on the last bit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from shortlist.export import figures, verify
from shortlist.export.errors import ExportError
from shortlist.export.inference import BATCH, Floats, Results, Runner
from shortlist.export.layout import Layout
from shortlist.export.reference import SAID
from shortlist.export.verify import LONGEST_TOKENS, Probe
from shortlist.server.errors import shown
from shortlist.server.runtime.late_interaction import TokenReader, maxsim
from shortlist.server.runtime.manifest import LateInteraction, TextKind

from .reference import TorchReference

if TYPE_CHECKING:
    from shortlist.server.runtime.tokens import Encoded

_MERGED = 1e-6  # of an element: means of the same vectors


class TokenTrial:
    """The texts as the server reads them, and the vectors that the reference has for each."""

    def __init__(
        self, reference: TorchReference, layout: Layout, rules: LateInteraction, tokenizer: Path, pad_token_id: int
    ) -> None:
        """Compare how both read the texts, and run the reference.

        Args:
            reference: the model in PyTorch; its window of documents is narrowed to what can be run.
            layout: its prefixes.
            rules: what the manifest will say.
            tokenizer: path of the bundle's.
            pad_token_id: what texts are padded with.

        Raises:
            ExportError: a text is read otherwise; the text and the place are named.
        """
        self._pad = pad_token_id
        self._reader = reader(layout, rules, tokenizer, LONGEST_TOKENS)
        self.probes: list[Probe] = []
        self._items: list[Encoded] = []
        self.expected: list[Floats] = []
        own = reader(layout, rules, tokenizer)
        found = verify.asked("embedder", max(rules.query.max_tokens, rules.document.max_tokens))
        texts = {kind: [str(text) for text in asked] for kind, asked in found.items()}
        for kind, given in texts.items():
            _compare_reading(own, reference, kind, given)
        narrowed = rules.document.max_tokens > LONGEST_TOKENS
        reference.document_tokens = min(rules.document.max_tokens, LONGEST_TOKENS)
        for kind, given in texts.items():
            both = zip(given, self._reader.read(given, kind), strict=True)
            # A text without a token that counts is none that can be found.
            read = [(text, item) for text, item in both if self._reader.counted(item, kind).any()]
            vectors = reference.run([text for text, _ in read], kind)
            _compare_merging(self._reader, reference, kind, vectors)
            self._items += [item for _, item in read]
            self.expected += vectors
            self.probes += [Probe(text, kind, whole=not (narrowed and item.truncated)) for text, item in read]

    @property
    def dimensions(self) -> int:
        """The number of a vector's elements."""
        return int(self.expected[0].shape[1])

    def measure(self, graph: Path) -> dict[str, float]:
        """Run a graph on every text, alone and in padded batches."""
        runner = Runner(graph, "late-interaction", self._pad)
        alone = runner.token_vectors(self._items)
        together = runner.token_vectors(self._items, BATCH)
        return {
            "texts": float(len(self._items)),
            "vectors": float(sum(map(len, self.expected))),
            **self.compare(self._kept(alone), range(len(self._items))),
            "batch_change_max": figures.change("late-interaction", np.concatenate(alone), np.concatenate(together)),
        }

    def compare(self, found: Results, places: Sequence[int]) -> dict[str, float]:
        """Compare the vectors that stand for texts with the reference's, and their MaxSim.

        Raises:
            ExportError: there are more or fewer vectors, or of another width.
        """
        expected = [self.expected[place] for place in places]
        found = list(found)
        for place, mine, theirs in zip(places, found, expected, strict=True):
            if mine.shape[1:] != theirs.shape[1:]:
                raise verify.elements(mine.shape[1], theirs.shape[1])
            if len(mine) != len(theirs):
                raise ExportError(
                    f"{shown(self.probes[place].text)} as a {self.probes[place].kind} has {len(mine)} token vectors,"
                    f" but the reference has {len(theirs)}; no bundle was written"
                )
        kinds = [self.probes[place].kind for place in places]
        change = np.abs(_scores(kinds, expected) - _scores(kinds, found)).max()
        return {**figures.tokens(expected, found), "maxsim_change_max": float(change)}

    def _kept(self, vectors: Sequence[Floats]) -> list[Floats]:
        kinds = [probe.kind for probe in self.probes]
        return [self._reader.kept(*one) for one in zip(self._items, vectors, kinds, strict=True)]


def reader(layout: Layout, rules: LateInteraction, tokenizer: Path, most_tokens: int = 0) -> TokenReader:
    """Return the server's way with texts, with documents of at most so many tokens; 0: of the model's own window."""
    if most_tokens:
        shorter = min(rules.document.max_tokens, most_tokens)
        rules = msgspec.structs.replace(rules, document=msgspec.structs.replace(rules.document, max_tokens=shorter))
    prefixes: dict[TextKind, str] = {"query": layout.query_prefix, "document": layout.document_prefix}
    return TokenReader(tokenizer, rules, prefixes)


def _compare_reading(own: TokenReader, reference: TorchReference, kind: TextKind, texts: Sequence[str]) -> None:
    """Refuse to read a text otherwise than the reference does."""
    said = SAID[reference.name]
    for text, item in zip(texts, own.read(texts, kind), strict=True):
        ids, attended = reference.read(text, kind)
        verify.same(text, kind, "token ids", item.input_ids.tolist(), ids.tolist(), said)
        seen = [1] * (len(item) - item.unattended) + [0] * item.unattended
        verify.same(text, kind, "places of the attention mask", seen, attended.tolist(), said)


def _compare_merging(own: TokenReader, reference: TorchReference, kind: TextKind, texts: Sequence[Floats]) -> None:
    """Refuse to merge vectors otherwise than the reference does."""
    for kept in texts:
        mine, theirs = own.merged(kept, kind), reference.merged(kept, kind)
        if mine.shape != theirs.shape or not np.allclose(mine, theirs, atol=_MERGED):
            raise ExportError(
                f"{len(kept)} token vectors of a {kind} are merged into {len(mine)}, otherwise than SciPy merges them"
                f" into {len(theirs)}; no bundle was written"
            )


def _scores(kinds: Sequence[TextKind], vectors: Sequence[Floats]) -> Floats:
    """Return the MaxSim of each query with each document, divided by the query's vectors: [queries, documents]."""
    documents = [one for kind, one in zip(kinds, vectors, strict=True) if kind == "document"]
    queries = [one for kind, one in zip(kinds, vectors, strict=True) if kind == "query"]
    return np.stack([maxsim(query, documents) / len(query) for query in queries])
