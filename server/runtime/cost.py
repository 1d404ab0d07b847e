"""What a run costs: seconds a token, by length, learned from the runs themselves.

Attention makes a token of a long text cost more than one of a short text, so there is one estimate for each doubling
of the length. Admission, deadlines and mode auto rest on it. Slots write and the event loop reads; an assignment is
atomic in Python, and an estimate that is one run old does no harm, so there is no lock.
"""

from collections.abc import Iterable

_BUCKETS = 16  # lengths up to 2**15 tokens; longer ones share the last
_MEMORY = 0.9  # weight of the past in the moving average: about the last ten runs of a length count


class Cost:
    """The cost of one model's runs, as learned so far."""

    def __init__(self) -> None:
        """Know nothing: estimates are 0 until the first run (warm-up sees to that)."""
        self._seconds_a_token = [0.0] * _BUCKETS
        self._known: list[int] = []
        self._nearest = list(range(_BUCKETS))  # of each bucket, the known one whose estimate it takes

    def observe(self, tokens: int, items: int, seconds: float) -> None:
        """Learn from a run of `items` texts of `tokens` tokens in all."""
        bucket = _bucket(tokens // items)
        before, now = self._seconds_a_token[bucket], seconds / tokens
        if bucket in self._known:
            self._seconds_a_token[bucket] = _MEMORY * before + (1 - _MEMORY) * now
            return
        self._seconds_a_token[bucket] = now
        self._known = sorted([*self._known, bucket])
        self._nearest = [min(self._known, key=lambda known: abs(known - other)) for other in range(_BUCKETS)]

    def estimate_s(self, lengths: Iterable[int]) -> float:
        """Return the seconds that items of these lengths take on one slot, one after another."""
        seconds, nearest = self._seconds_a_token, self._nearest
        return sum(length * seconds[nearest[_bucket(length)]] for length in lengths)


def _bucket(length: int) -> int:
    return min(length.bit_length(), _BUCKETS - 1)
