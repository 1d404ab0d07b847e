"""Texts to tokens and back, by the tokenizer of any model, with no model run."""

import asyncio
from collections.abc import Sequence

from shortlist.server.inference.embedders import Embedders
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.token_embedder import TokenEmbedder
from shortlist.server.runtime.manifest import Kind, TextKind
from shortlist.server.runtime.tokens import Piece, Tokenizer, Tokens

from . import late_interaction_checks, request_checks
from .limits import Limits


class Tokenizing:
    """The tokenizers of a server's models."""

    def __init__(
        self, embedders: Embedders, scorer: Scorer, late_interaction: TokenEmbedder | None, limits: Limits
    ) -> None:
        """Take them from the models."""
        self._embedders = embedders
        self._scorer = scorer
        self._late_interaction = late_interaction
        self._limits = limits

    async def show(self, texts: Sequence[str], model: Kind, kind: TextKind, query: str) -> list[Tokens]:
        """Return texts as a model reads them: the reranker beside a query if there is one, the others as of a kind.

        Raises:
            InvalidRequest, Unsupported: the request is at fault.
        """
        request_checks.tokenize(self._limits, texts, model, query, ends_only=False)
        late_interaction_checks.tokenizer(model, served=self._late_interaction is not None)
        if model == "reranker":
            return await asyncio.to_thread(self._scorer.show, query, texts)
        return await asyncio.to_thread(self._of_texts(model).show, texts, kind)

    async def ends(self, texts: Sequence[str], model: Kind, query: str) -> list[list[int]]:
        """Return where each token of each whole text ends.

        Raises:
            InvalidRequest, Unsupported: the request is at fault; there can be no query.
        """
        request_checks.tokenize(self._limits, texts, model, query, ends_only=True)
        late_interaction_checks.tokenizer(model, served=self._late_interaction is not None)
        return await asyncio.to_thread(self._of(model).ends, texts)

    async def pieces(self, texts: Sequence[str], model: Kind, kind: TextKind, *, special: bool) -> list[list[Piece]]:
        """Return all tokens of each whole text, of the embedder behind the prefix of a kind.

        Args:
            texts: what to cut into tokens.
            model: whose tokenizer.
            kind: decides the prefix, which is part of the text then.
            special: whether to add the tokens that the model wants around a text.

        Raises:
            InvalidRequest: the request is at fault.
        """
        request_checks.pieces(self._limits, texts)
        if model == "embedder":
            texts = self._embedders.first.prefixed(texts, kind)
        return await asyncio.to_thread(self._of(model).pieces, texts, special=special)

    async def decode(self, ids: Sequence[Sequence[int]], model: Kind, *, skip_special: bool) -> list[str]:
        """Return the text of each list of tokens, without special ones if so asked.

        Raises:
            InvalidRequest: the request is at fault.
        """
        request_checks.decode(self._limits, ids)
        return await asyncio.to_thread(self._of(model).decode, ids, skip_special=skip_special)

    def _of(self, model: Kind) -> Tokenizer:
        return (self._scorer if model == "reranker" else self._of_texts(model)).tokenizer

    def _of_texts(self, model: Kind) -> Embedder | TokenEmbedder:
        """Return a model that reads texts by themselves."""
        if model == "late-interaction" and self._late_interaction is not None:
            return self._late_interaction
        return self._embedders.first
