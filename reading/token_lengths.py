"""What a text takes up of a passage, by the tokens of the two models that a server runs.

A passage is full where one of the models would read no further: the embedder's window, or the reranker's less room
for a query. The server answers where each token of a text ends, so one call measures every part of it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shortlist.client.client import Client
from shortlist.client.description import Limits
from shortlist.client.types import Model

from .patience import Patience

_QUERY_TOKENS = 32  # a long question; longer ones have the ends of the longest passages cut off
_QUERY_SHARE = 0.25  # of a small window, at most
_ROUNDING = 1e-6  # of a token: shares of whole tokens are not whole again
_SAMPLE = "a"
_MOST_CHARACTERS = 1 << 18  # in one call: some 50 ms of tokenizing


@dataclass(slots=True)
class Measured:
    """A text, by each model: where its tokens end, and how many tokens of it the model reads."""

    length: int
    ends: dict[Model, list[int]]
    rooms: dict[Model, int]

    def share(self, start: int, end: int) -> float:
        """Return the share of a passage that the characters from `start` to `end` take, by the stricter model."""
        return max(
            (bisect_right(ends, end) - bisect_right(ends, start)) / self.rooms[model]
            for model, ends in self.ends.items()
        )

    def reach(self, start: int, share: float) -> int:
        """Return where a share of a passage ends that begins at `start`; it holds one token at least."""
        return min(
            self._reach(ends, start, int(share * self.rooms[model] + _ROUNDING)) for model, ends in self.ends.items()
        )

    def _reach(self, ends: list[int], start: int, tokens: int) -> int:
        last = bisect_right(ends, start) + max(1, tokens) - 1
        # What has no token, such as white space at the end, goes with the last.
        return ends[last] if last < len(ends) - 1 else self.length


@dataclass(slots=True)
class TokenRuler:
    """A measure of texts: tokens, as the server's models count them."""

    client: Client
    patience: Patience
    limits: Limits
    rooms: dict[Model, int] = field(init=False)  # tokens of a text that each model reads
    token: float = field(init=False)  # the largest share of a passage that a token takes

    def __post_init__(self) -> None:
        """Ask the server for its windows, and what of them is no text: special tokens, a prefix."""
        described = self.client.describe()
        query = min(_QUERY_TOKENS, int(_QUERY_SHARE * described.reranker.max_tokens))
        self.rooms = {
            "embedder": max(1, described.embedder.max_tokens - self._around("embedder", "")),
            "reranker": max(1, described.reranker.max_tokens - self._around("reranker", _SAMPLE) - query),
        }
        self.token = 1 / min(self.rooms.values())

    def measure(self, texts: Sequence[str]) -> list[Measured]:
        """Measure each of some texts; none is empty."""
        measured = [Measured(len(text), {model: [] for model in self.rooms}, self.rooms) for text in texts]
        for batch in self._batches(texts):
            pieces = [texts[place][start:end] for place, start, end in batch]
            for model in self.rooms:
                for (place, start, _), ends in zip(batch, self._ends(model, pieces), strict=True):
                    measured[place].ends[model].extend(start + end for end in ends)
        return measured

    def _batches(self, texts: Sequence[str]) -> Iterator[list[tuple[int, int, int]]]:
        """Yield what goes into each call: pieces of texts that the server takes, as (text, start, end)."""
        longest = max(1, min(_MOST_CHARACTERS, self.limits.max_text_bytes // 4))  # a character has 4 bytes at most
        batch: list[tuple[int, int, int]] = []
        characters = 0
        for place, text in enumerate(texts):
            for start in range(0, len(text), longest):
                end = min(start + longest, len(text))
                if text[start:end].isspace():
                    continue
                if batch and (len(batch) == self.limits.max_batch or characters + end - start > longest):
                    yield batch
                    batch, characters = [], 0
                batch.append((place, start, end))
                characters += end - start
        if batch:
            yield batch

    def _ends(self, model: Model, texts: Sequence[str]) -> list[tuple[int, ...]]:
        found = self.patience.call(lambda: self.client.tokenize(texts, model=model, ends_only=True))
        return [one.ends for one in found]

    def _around(self, model: Model, query: str) -> int:
        """Return how many tokens a model reads beside a text and a query."""
        (whole,) = self.client.tokenize([_SAMPLE], model=model, query=query)
        (ends,) = self._ends(model, [_SAMPLE])
        return len(whole.ids) - len(ends) * (2 if query else 1)
