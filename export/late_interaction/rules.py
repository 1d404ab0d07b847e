"""The words of a late-interaction model's files as token ids, and its windows: what the manifest holds.

A word that its tokenizer does not have is taken as the library that wrote the files takes it, but for markers and
expansions, which have to be tokens: PyLate would make up a random vector for one, Stanford's ColBERT would take the
unknown token.
"""

from typing import Any

from shortlist.export.errors import ExportError
from shortlist.export.tokenizer import Limits, Written
from shortlist.server.runtime.manifest import Expansion, LateInteraction, TextKind, TokenRules

from .described import Described, Filling, Library, Side


def settled(
    name: str, found: Described, tokenizer: Any, written: Written, limits: Limits, asked_tokens: int
) -> LateInteraction:
    """Return the rules of a model.

    Args:
        name: the model's.
        found: what its files say.
        tokenizer: transformers'.
        written: the same as it was written, with the window of texts whose kind has none.
        limits: what the model can take.
        asked_tokens: the window of documents that was asked for; 0: the model's own.

    Raises:
        ExportError: a marker is no token, or a window is wider than the model.
    """

    def rules(kind: TextKind) -> TokenRules:
        side = found.sides[kind]
        tokens = window(side, written.max_tokens)
        if kind == "document":
            tokens = asked_tokens or tokens
        if tokens > limits.positions:
            remedy = f"give --max-tokens {limits.positions}" if kind == "document" else "mend its configuration"
            raise ExportError(
                f"{name} has a window of {tokens} tokens for a {kind}, but {limits.positions} positions; {remedy}"
            )
        return TokenRules(
            max_tokens=tokens,
            marker=_token(name, tokenizer, side.marker, f"marker of a {kind}") if side.marker else None,
            expansion=None if side.filling is None else _expansion(name, tokenizer, side.filling),
            skipped=skipped(found.library, tokenizer, side.skipped, kind),
            pooling=side.pooling,
        )

    return LateInteraction(found.library, found.similarity, rules("query"), rules("document"))


def filler(tokenizer: Any, filling: Filling) -> str | None:
    """Return the token that fills queries up."""
    return filling.token or tokenizer.mask_token or tokenizer.eos_token


def skipped(library: Library, tokenizer: Any, words: tuple[str, ...], kind: TextKind) -> tuple[int, ...]:
    """Return the ids of the tokens that do not count, in order.

    Where a word is no token, PyLate skips the unknown token, and sentence-transformers nothing. Stanford's ColBERT
    takes the first token that its tokenizer makes of a sign, and skips a padding token that a document's text names.
    """
    if library == "stanford":
        found = {tokenizer.encode(word, add_special_tokens=False)[0] for word in words}
        return tuple(sorted(found | ({tokenizer.pad_token_id} if kind == "document" else set())))
    ids = {word: tokenizer.convert_tokens_to_ids(word) for word in words}
    unknown = tokenizer.unk_token_id
    if library == "sentence-transformers":
        ids = {word: one for word, one in ids.items() if one != unknown or word == tokenizer.unk_token}
    return tuple(sorted({one for one in ids.values() if one is not None}))


def window(side: Side, own: int) -> int:
    """Return the tokens that a text may have, where a kind without a length has `own`."""
    filling = side.filling
    if filling is None:
        return side.length or own
    return filling.length if filling.cuts else max(side.length or own, filling.length)


def _expansion(name: str, tokenizer: Any, filling: Filling) -> Expansion:
    token = filler(tokenizer, filling)
    if token is None:
        raise ExportError(
            f"{name} expands queries, but its tokenizer has neither a mask token nor one of the end; name one in its"
            " configuration (query_expansion.token), or switch the expansion off there"
        )
    return Expansion(_token(name, tokenizer, token, "token that expands queries"), filling.length, filling.attended)


def _token(name: str, tokenizer: Any, word: str, what: str) -> int:
    found = tokenizer.get_vocab().get(word)
    if found is None:
        raise ExportError(
            f"{name}: the {what}, {word!r}, is not in its tokenizer's vocabulary, so no vector was trained for it;"
            " name the model's own in its configuration, or fetch the tokenizer's files again"
        )
    return int(found)
