"""Late interaction (ColBERT): texts to what its graph reads, token vectors to those that count, and MaxSim.

    text ▶ prefix, tokens, marker, expansion ▶ [graph] ▶ vectors of counted tokens ▶ pooled ▶ MaxSim

All but the graph is here, as the manifest has it: ids and masks, so that one graph serves queries and documents.
Any thread may call a `TokenReader`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import BundleError

from .bundle import Bundle
from .manifest import TOKENIZER, Expansion, LateInteraction, TextKind, TokenRules
from .token_pooling import pooled
from .tokens import Encoded, Tokenizer, Tokens, Truncation

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Window:
    """A tokenizer's file, and the tokens that are left to it beside a marker."""

    tokenizer: Path
    max_tokens: int


class TokenReader:
    """One model's way with texts and with their token vectors."""

    def __init__(self, tokenizer: Path, found: LateInteraction, prefixes: Mapping[TextKind, str]) -> None:
        """Load the tokenizer.

        Args:
            tokenizer: path of its file.
            found: the model's rules.
            prefixes: what goes before the texts of each kind.

        Raises:
            BundleError: the file is no tokenizer, or has not a token that the rules name.
        """
        self._rules: dict[TextKind, TokenRules] = {"query": found.query, "document": found.document}
        self._prefixes = prefixes
        self.kinds = tuple(self._rules)
        self._tokenizers = {
            kind: Tokenizer(_Window(tokenizer, rules.max_tokens - (rules.marker is not None)))
            for kind, rules in self._rules.items()
        }
        for kind, rules in self._rules.items():
            self._check(kind, rules)
        self._skipped = {kind: np.array(rules.skipped, np.int64) for kind, rules in self._rules.items()}

    @classmethod
    def of(cls, source: Bundle) -> "TokenReader":
        """Load that of a bundle.

        Raises:
            BundleError: it is of another kind, or its tokenizer cannot be read.
        """
        manifest = source.manifest
        if manifest.late_interaction is None:
            raise BundleError(
                f"bundle {source.path} is of kind {manifest.kind}, but kind late-interaction is needed;"
                " name a bundle that was exported with --kind late-interaction"
            )
        prefixes: dict[TextKind, str] = {"query": manifest.query_prefix, "document": manifest.document_prefix}
        return cls(source.tokenizer, manifest.late_interaction, prefixes)

    def read(self, texts: Sequence[str], kind: TextKind, truncation: Truncation | None = None) -> list[Encoded]:
        """Encode texts for the graph; `truncation` is the side where one is cut off, None the model's own."""
        rules, prefix = self._rules[kind], self._prefixes[kind]
        items = self._tokenizers[kind].encode([prefix + text for text in texts], truncation)
        if rules.marker is not None:
            items = [_marked(item, rules.marker) for item in items]
        return items if rules.expansion is None else [_expanded(item, rules.expansion) for item in items]

    def window(self, kind: TextKind) -> int:
        """Return how many tokens of a text are read, special ones and marker included."""
        return self._rules[kind].max_tokens

    def estimate(self, characters: int, kind: TextKind) -> int:
        """Return about how many tokens a text of that many characters has."""
        rules = self._rules[kind]
        tokens = self._tokenizers[kind].estimate(len(self._prefixes[kind]) + characters) + (rules.marker is not None)
        return tokens if rules.expansion is None else max(tokens, rules.expansion.length)

    def cut(self, texts: Sequence[str], most: int, truncation: Truncation | None = None) -> list[str]:
        """Return so many tokens of each document at most, as `Tokenizer.cut` does."""
        return self._tokenizers["document"].cut(texts, most, truncation)

    def show(self, texts: Sequence[str], kind: TextKind) -> list[Tokens]:
        """Return each text as the model reads it."""
        name = self._tokenizers[kind].name
        found = [(item, item.input_ids.tolist()) for item in self.read(texts, kind)]
        return [Tokens(tuple(ids), tuple(name(one) or "" for one in ids), item.truncated) for item, ids in found]

    def counted(self, item: Encoded, kind: TextKind) -> NDArray[np.bool_]:
        """Return which of a text's tokens count in MaxSim: bool [tokens]."""
        return ~np.isin(item.input_ids, self._skipped[kind])

    def kept(self, item: Encoded, vectors: Floats, kind: TextKind) -> Floats:
        """Return the vectors of the tokens that count: float32 [counted, dimensions].

        Args:
            item: the text, as `read` returned it.
            vectors: what the graph made of it, float32 [tokens, dimensions]; rows behind its tokens are padding.
            kind: of the text.
        """
        return vectors[: len(item)][self.counted(item, kind)]

    def merged(self, kept: Floats, kind: TextKind) -> Floats:
        """Return the vectors that stand for a text in MaxSim, alike ones merged: float32 [vectors, dimensions]."""
        pooling = self._rules[kind].pooling
        return kept if pooling is None else pooled(kept, pooling)

    def _check(self, kind: TextKind, rules: TokenRules) -> None:
        """Refuse rules that name tokens which the tokenizer does not have."""
        expansion = None if rules.expansion is None else rules.expansion.token
        for what, token in (("marker", rules.marker), ("filling", expansion)):
            if token is not None and self._tokenizers[kind].name(token) is None:
                raise BundleError(
                    f"a {kind}'s {what} is token {token}, which the bundle's {TOKENIZER} does not have;"
                    " export the model again"
                )


def maxsim(query: Floats, documents: Sequence[Floats]) -> Floats:
    """Score documents for a query: the sum over its vectors of the largest product with one of the document's.

    Khattab and Zaharia 2020, arXiv:2004.12832.

    Args:
        query: float32 [vectors, dimensions].
        documents: float32 [vectors, dimensions] each, one vector at least.

    Returns:
        float32 [documents].
    """
    if not documents:
        return np.zeros(0, np.float32)
    ends = np.cumsum([len(document) for document in documents])
    products = np.concatenate(documents) @ query.T  # [all vectors, query's vectors]
    best: Floats = np.maximum.reduceat(products, [0, *ends[:-1]], axis=0)
    scores: Floats = best.sum(axis=1)
    return scores


def _marked(item: Encoded, marker: int) -> Encoded:
    place = min(1, len(item))
    return Encoded(np.insert(item.input_ids, place, marker), np.insert(item.type_ids, place, 0), item.truncated)


def _expanded(item: Encoded, expansion: Expansion) -> Encoded:
    count = max(0, expansion.length - len(item))
    added = np.full(count, expansion.token, np.int64)
    return Encoded(
        np.concatenate([item.input_ids, added]),
        np.concatenate([item.type_ids, np.zeros_like(added)]),
        item.truncated,
        unattended=0 if expansion.attended else count,
    )
