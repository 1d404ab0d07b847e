"""Which shapes the runs of a graph have: as they come, or rounded up to one of few.

A provider that compiles for a shape it has not seen pays for every new one: OpenVINO on a CPU 4 ms in fp32 and 10 ms
in int8 (MiniLM-L6), as much as a whole run of 96 tokens; TensorRT wants bounds before it builds an engine. There a
run's length is rounded up to a bucket and its batch to a power of two. The attention mask hides what was added, so
results stay the same up to rounding. On plain CPUs and CUDA a shape costs nothing and nothing is added.

What may share a run: on CPUs items that are run at one length, so that nothing is padded for the others' sake; on
GPUs any items (`mixed`), since there a smaller batch costs more than padding.

Buckets are multiples of 16 up to 512, and beyond a 32nd of the power of two above: at most 15 tokens up to 512, and
a 16th of the length beyond. Up to 512 that is next to free, since kernels work in blocks of 16 anyway: in int8 a run
of 96 tokens takes as long as one of 88.

Pure arithmetic: knows neither models nor providers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_STEP = 16
_LARGE_STEP_BITS = 5  # a 32nd
_WARM_TOKENS = 512  # of longer runs compiling is a small part
_DOUBLINGS = (8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The bounds of the shapes of one graph's runs."""

    window: int  # tokens of the longest item
    batch_tokens: int = 0  # padded tokens that one run may stack; 0: one item a run
    bucketed: bool = False  # whether every shape that is run must be one of few
    mixed: bool = False  # whether items of other lengths may share a run, padded to the longest

    def length(self, tokens: int) -> int:
        """Return the length that an item of so many tokens is run at."""
        if not self.bucketed:
            return tokens
        step = max(_STEP, 1 << max(0, (tokens - 1).bit_length() - _LARGE_STEP_BITS))
        return max(tokens, min(self.window, -(-tokens // step) * step))

    def max_batch(self, length: int) -> int:
        """Return how many items one run at this length may have, at least one."""
        # One profile of TensorRT is a box: its largest batch is allowed at its longest length too.
        boxed = self.bucketed and self.mixed
        most = max(1, self.batch_tokens // (self.window if boxed else length))
        return _power_of_two(most) if self.bucketed else most

    def full_batch(self, count: int) -> int:
        """Return how many of so many items to run at once, so that none is added."""
        return _power_of_two(count) if self.bucketed else count

    def padded_batch(self, count: int) -> int:
        """Return the batch that so many items are run as."""
        return 1 << (count - 1).bit_length() if self.bucketed else count

    def split(self, count: int, length: int) -> list[slice]:
        """Cut a run of so many items at this length into runs that the bounds allow."""
        most = self.max_batch(length) if self.bucketed else count
        return [slice(start, min(start + most, count)) for start in range(0, count, most)]

    def padded_tokens(self, lengths: Sequence[int]) -> int:
        """Return the tokens of one run of items of these lengths, with all that is added to make its shapes."""
        length = max(lengths)
        parts = self.split(len(lengths), length)
        return length * sum(self.padded_batch(part.stop - part.start) for part in parts)

    def lengths(self) -> Sequence[int]:
        """Return the lengths to run at start: up to 512 every bucket, or every doubling; and the window."""
        some = range(_STEP, _WARM_TOKENS + 1, _STEP) if self.bucketed else _DOUBLINGS
        return [*(tokens for tokens in some if tokens < self.window), self.window]

    def batches(self, length: int) -> Sequence[int]:
        """Return the batches to run at start at this length, smallest first."""
        if not self.bucketed:
            return sorted({1, self.max_batch(self.window)})
        return [1 << power for power in range(self.max_batch(length).bit_length())]


def _power_of_two(count: int) -> int:
    """Return the largest that is not above a count."""
    return 1 << (count.bit_length() - 1)
