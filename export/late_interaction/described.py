"""What a late-interaction model's files say of it, in words: markers, lengths, expansion, what does not count.

The words become token ids once the tokenizer is loaded (`rules.py`). Plain types, no files.
"""

from dataclasses import dataclass, field
from typing import Literal

from shortlist.server.runtime.manifest import TextKind, TokenPooling

Library = Literal["sentence-transformers", "pylate", "stanford"]
Similarity = Literal["maxsim", "meanmaxsim"]


@dataclass(frozen=True, slots=True)
class Filling:
    """The expansion of queries: tokens put behind a short one."""

    length: int  # tokens, up to which a text is filled
    attended: bool
    token: str = ""  # empty: the tokenizer's mask token, without one that of the end
    cuts: bool = True  # whether longer texts are cut to that length


@dataclass(frozen=True, slots=True)
class Side:
    """How texts of one kind are read."""

    marker: str = ""  # a token put behind the first one
    length: int | None = None  # window in tokens; None: the tokenizer's
    filling: Filling | None = None
    skipped: tuple[str, ...] = ()  # tokens that do not count
    pooling: TokenPooling | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """One model's texts, by kind."""

    library: Library  # that wrote the files
    sides: dict[TextKind, Side] = field(default_factory=dict)
    similarity: Similarity = "maxsim"
