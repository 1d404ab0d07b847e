"""Text, or a pair of texts, to the token ids that a model reads.

Truncation is the model's own (the pair's longer part first, as Hugging Face tokenizers do by default; at the end that
the tokenizer's file names), unless a caller asks for a side. Each side has an object of its own, since a `tokenizers`
object whose truncation is changed while another thread encodes raises 'Already borrowed'. Nothing is padded here but
in `pad`, since on CPUs a run's items are of one length.

Knows neither models nor lanes. Any thread may call `Tokenizer`; encoding releases the GIL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as FastTokenizer

from shortlist.server.errors import BundleError

Ids = NDArray[np.int64]
Truncation = Literal["end", "start", "none"]
"""Where a text that does not fit the window is cut off; none: nowhere, and it is not read."""
Side = Literal["left", "right"]  # as `tokenizers` calls what is cut off

_CHARACTERS_A_TOKEN = 16  # English has 4 to 5; `_near` tries more where this is too few
_MEMORY = 0.9  # weight of the past in what is learned of characters a token


@dataclass(frozen=True, slots=True)
class Encoded:
    """One text or pair as a model reads it, unpadded."""

    input_ids: Ids  # int64 [sequence]
    type_ids: Ids  # int64 [sequence]; which of a pair's texts a token belongs to
    truncated: bool  # whether tokens were cut off
    unattended: int = 0  # last tokens that have results of their own, and that no token attends to

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.input_ids)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens, for a person to read."""

    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A token of a whole text."""

    id: int
    text: str  # the part of the text that it is; of a special token its name
    special: bool  # whether it was added to the text
    start: int | None = None  # where it is in the text, in bytes of UTF-8; None of special ones
    stop: int | None = None


class Source(Protocol):
    """A tokenizer's file and its window: a bundle, or what an export has of one so far."""

    @property
    def tokenizer(self) -> Path:
        """The path of `tokenizer.json`."""

    @property
    def max_tokens(self) -> int:
        """The window, special tokens included."""


class Tokenizer:
    """The tokenizer of one bundle, set up as its model wants it."""

    def __init__(self, source: Source) -> None:
        """Load the tokenizer of a bundle.

        Raises:
            BundleError: the file is no tokenizer that this version of `tokenizers` reads.
        """
        try:
            self._fast = FastTokenizer.from_file(str(source.tokenizer))
        except Exception as error:  # the binding raises bare Exception
            raise BundleError(f"{source.tokenizer} cannot be read as a tokenizer: {error}") from error
        self.max_tokens = source.max_tokens
        self._side: Side = (self._fast.truncation or {}).get("direction", "right")
        self._fast.no_padding()
        self._whole = FastTokenizer.from_str(self._fast.to_str())
        self._whole.no_truncation()
        self._fast.enable_truncation(self.max_tokens, strategy="longest_first", direction=self._side)
        self._by_side = {self._side: self._fast}
        self._tokens_a_character = 0.25  # usual for English; learned from what is encoded

    def encode(self, texts: Sequence[str], truncation: Truncation | None = None) -> list[Encoded]:
        """Encode each text on its own.

        Args:
            texts: what to read.
            truncation: the side where it is cut off; None: the model's own.
        """
        side = self._cut_off(truncation)
        near = [self._near(text, side) for text in texts]
        return self._learned(self._of_side(side).encode_batch_fast(near), sum(map(len, texts)))

    def encode_pairs(
        self, query: str, documents: Sequence[str], truncation: Truncation | None = None
    ) -> list[Encoded]:
        """Encode each document beside the query; what is cut off is as in `encode`."""
        side = self._cut_off(truncation)
        characters = len(query) * len(documents) + sum(map(len, documents))
        query = self._near(query, side)
        pairs = [(query, self._near(document, side)) for document in documents]
        return self._learned(self._of_side(side).encode_batch_fast(pairs), characters)

    def cut(self, texts: Sequence[str], most: int, truncation: Truncation | None = None) -> list[str]:
        """Return so many tokens of each text at most, as text; the others are cut off as in `encode`.

        Args:
            texts: what to cut.
            most: tokens, without special ones; at least 1.
            truncation: the side.
        """
        side = self._cut_off(truncation)
        return [self._first(self._near(text, side), text, most, side) for text in texts]

    def _first(self, near: str, text: str, most: int, side: Side) -> str:
        offsets = self._whole.encode(near, add_special_tokens=False).offsets
        if len(offsets) <= most and len(near) == len(text):
            return text
        return near[offsets[-most:][0][0] :] if side == "left" else near[: offsets[:most][-1][1]]

    def estimate(self, characters: int) -> int:
        """Return about how many tokens a text of that many characters has, or a pair of texts together."""
        return max(1, min(self.max_tokens, round(characters * self._tokens_a_character)))

    def _learned(self, found: Sequence[Encoding], characters: int) -> list[Encoded]:
        """Take over what was encoded, and learn how many tokens a character makes; cut texts tell nothing of that."""
        items = [_encoded(one) for one in found]
        if characters and not any(item.truncated for item in items):
            now = sum(map(len, items)) / characters
            self._tokens_a_character = _MEMORY * self._tokens_a_character + (1 - _MEMORY) * now
        return items

    def show(self, texts: Sequence[str], query: str = "") -> list[Tokens]:
        """Return each text's tokens as strings, beside the query if there is one."""
        texts, query = [self._near(text, self._side) for text in texts], self._near(query, self._side)
        inputs = [(query, text) if query else text for text in texts]
        return [
            Tokens(tuple(found.ids), tuple(found.tokens), bool(found.overflowing))
            for found in self._fast.encode_batch(inputs)
        ]

    def name(self, token: int) -> str | None:
        """Return a token as the vocabulary spells it; None where that does not have it."""
        name: str | None = self._whole.id_to_token(token)
        return name

    def ends(self, texts: Sequence[str]) -> list[list[int]]:
        """Return where each token of each text ends, in characters: of the whole text, and of nothing beside it.

        One text at a time: `tokenizers` takes some hundred bytes for each token of all that it is given at once.
        """
        return [[end for _, end in self._whole.encode(text, add_special_tokens=False).offsets] for text in texts]

    def pieces(self, texts: Sequence[str], *, special: bool) -> list[list[Piece]]:
        """Return all tokens of each whole text, with those that the model wants around it if `special` is set."""
        return [_pieces(text, self._whole.encode(text, add_special_tokens=special)) for text in texts]

    def decode(self, ids: Sequence[Sequence[int]], *, skip_special: bool) -> list[str]:
        """Return the text of each list of tokens, without special ones if so asked.

        A number that stands for no token is left out.
        """
        return [self._whole.decode(list(each), skip_special_tokens=skip_special) for each in ids]

    def _cut_off(self, truncation: Truncation | None) -> Side:
        """Return the side on which a text that is too long loses tokens."""
        if truncation == "start":
            return "left"
        return "right" if truncation == "end" else self._side

    def _of_side(self, side: Side) -> FastTokenizer:
        if side not in self._by_side:
            other = FastTokenizer.from_str(self._whole.to_str())
            other.enable_truncation(self.max_tokens, strategy="longest_first", direction=side)
            self._by_side[side] = other
        return self._by_side[side]

    def _near(self, text: str, side: Side) -> str:
        """Return the part of a long text that holds more tokens than the window: its beginning, or its end.

        `tokenizers` keeps all that it truncates, and for a pair every window of the one text beside every window of
        the other: two texts of 40 KB take a gigabyte. What is cut here is never read, but for the tokens next to
        the cut, and those are far behind the window.
        """
        length = _CHARACTERS_A_TOKEN * self.max_tokens
        while length < len(text):
            part = text[-length:] if side == "left" else text[:length]
            if len(self._whole.encode(part)) > 2 * self.max_tokens:
                return part
            length *= 4
        return text


def pad(batch: Sequence[Encoded], pad_token_id: int, items: int = 0, length: int = 0) -> dict[str, Ids]:
    """Stack encoded texts into a graph's inputs.

    Args:
        batch: at least one item.
        pad_token_id: what fills the shorter ones; the attention mask hides it.
        items: rows to make at least; those without an item attend to one padding token, since a row that attends to
            none becomes NaN in some kernels.
        length: tokens to make a row at least.

    Returns:
        Three int64 [batch, sequence] arrays by graph input name. Unless asked for, a single item is not padded.
    """
    shape = (max(items, len(batch)), max(length, *(len(item) for item in batch)))
    input_ids = np.full(shape, pad_token_id, dtype=np.int64)
    type_ids = np.zeros(shape, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    for row, item in enumerate(batch):
        input_ids[row, : len(item)] = item.input_ids
        type_ids[row, : len(item)] = item.type_ids
        mask[row, : len(item) - item.unattended] = 1
    mask[len(batch) :, 0] = 1
    return {"input_ids": input_ids, "attention_mask": mask, "token_type_ids": type_ids}


def _encoded(found: Encoding) -> Encoded:
    return Encoded(
        np.array(found.ids, dtype=np.int64), np.array(found.type_ids, dtype=np.int64), bool(found.overflowing)
    )


def _pieces(text: str, found: Encoding) -> list[Piece]:
    # Where each character begins in UTF-8, and where the last one ends.
    code_points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    lengths = 1 + (code_points >= 1 << 7).astype(int) + (code_points >= 1 << 11) + (code_points >= 1 << 16)
    begins = [0, *np.cumsum(lengths).tolist()]
    return [
        Piece(number, token, special=True)
        if special
        else Piece(number, text[start:stop], special=False, start=begins[start], stop=begins[stop])
        for number, token, special, (start, stop) in zip(
            found.ids, found.tokens, found.special_tokens_mask, found.offsets, strict=True
        )
    ]
