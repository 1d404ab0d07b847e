"""The vectors of documents' tokens, for late interaction, as plain Python values: `Collection.token_vectors`."""

from dataclasses import dataclass
from typing import Literal

TokenPooling = Literal["no-vectors", "none", "by-two"]
"""How many vectors of its tokens a document has: none at all, one a token, or one for two that are alike."""

TokenVectorsState = Literal["none", "making", "ready", "unusable"]
"""Whether searches use them: only `ready` ones; `none`: there are to be none."""


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """The token vectors of a collection's documents."""

    pooling: TokenPooling
    state: TokenVectorsState
    model: str  # that makes them: model and variant, for people; empty where there are to be none
    model_fingerprint: str
    dimensions: int  # elements of a vector
    documents: int  # that have them
    vectors: int  # of all documents together
    size_bytes: int  # on disk
    fault: str  # why searches do without `unusable` ones; else empty
