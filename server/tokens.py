"""Text, or a pair of texts, to the token ids that a model reads.

Truncation is the model's own (the pair's longer part first, as Hugging Face tokenizers do by default) and is set
once, at load: a `tokenizers` object whose truncation is changed while another thread encodes raises 'Already
borrowed'. Nothing is padded here but in `pad`, since on CPUs every run is one item long.

Knows neither models nor lanes. Any thread may call `Tokenizer`; encoding releases the GIL.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as FastTokenizer

from shortlist.server.bundle import Bundle
from shortlist.server.errors import BundleError

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Be one text or pair as a model reads it, unpadded."""

    input_ids: Ids  # int64 [sequence]
    type_ids: Ids  # int64 [sequence]; which of a pair's texts a token belongs to
    truncated: bool  # whether tokens were cut off

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.input_ids)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Show a text's tokens to a person."""

    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    truncated: bool


class Tokenizer:
    """Encode texts as one bundle's model wants them."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the bundle's tokenizer.

        Raises:
            BundleError: the file is no tokenizer that this version of `tokenizers` reads.
        """
        try:
            self._fast = FastTokenizer.from_file(str(bundle.tokenizer))
        except Exception as error:  # the binding raises bare Exception
            raise BundleError(f"{bundle.tokenizer} cannot be read as a tokenizer: {error}") from error
        self.max_tokens = bundle.manifest.max_tokens
        self._fast.no_padding()
        self._fast.enable_truncation(self.max_tokens, strategy="longest_first")

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Encode each text on its own."""
        return [_encoded(found) for found in self._fast.encode_batch_fast(list(texts))]

    def encode_pairs(self, query: str, documents: Sequence[str]) -> list[Encoded]:
        """Encode each document beside the query."""
        pairs = [(query, document) for document in documents]
        return [_encoded(found) for found in self._fast.encode_batch_fast(pairs)]

    def show(self, texts: Sequence[str], query: str = "") -> list[Tokens]:
        """Return each text's tokens as strings, beside the query if there is one."""
        inputs = [(query, text) if query else text for text in texts]
        return [
            Tokens(tuple(found.ids), tuple(found.tokens), bool(found.overflowing))
            for found in self._fast.encode_batch(inputs)
        ]


def pad(batch: Sequence[Encoded], pad_token_id: int) -> dict[str, Ids]:
    """Stack encoded texts into a graph's inputs.

    Args:
        batch: at least one item.
        pad_token_id: what fills the shorter ones; the attention mask hides it.

    Returns:
        Three int64 [batch, sequence] arrays by graph input name. A single item is never padded.
    """
    shape = (len(batch), max(len(item) for item in batch))
    input_ids = np.full(shape, pad_token_id, dtype=np.int64)
    type_ids = np.zeros(shape, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    for row, item in enumerate(batch):
        input_ids[row, : len(item)] = item.input_ids
        type_ids[row, : len(item)] = item.type_ids
        mask[row, : len(item)] = 1
    return {"input_ids": input_ids, "attention_mask": mask, "token_type_ids": type_ids}


def _encoded(found: Encoding) -> Encoded:
    return Encoded(
        np.array(found.ids, dtype=np.int64), np.array(found.type_ids, dtype=np.int64), bool(found.overflowing)
    )
