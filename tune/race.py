"""Which arrangement is best, found in turns: two heats, and a final against the defaults.

    first heat     every variant on every division of the cores into slots and threads
    second heat    the two best, with every batch budget
    final          the two best and the defaults, several rounds, measured anew

In a heat every arrangement is measured once, and the better half once more; the better figure counts, since other
work on the machine only adds to a time. Only the final's figures decide: an arrangement that came there by luck has
to repeat it, as often as the defaults. Those stay unless another is better by a margin, since machines are noisy.

Knows nothing of how an arrangement is measured.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shortlist.console.output import counted
from shortlist.server.errors import ProviderError

MARGIN = 0.03  # by which an arrangement must be better than the defaults to replace them
FINAL = "final"
_LEADERS = 2  # of a heat, that go on
_FINAL_ROUNDS = 4

_CPU_BUDGETS = (1, 96, 384)  # tokens; 1: one item a run
_COMPILED_BUDGETS = (1, 256, 1024)
_GPU_BUDGETS = (4096, 8192, 16_384, 32_768, 65_536)
_GPU_SLOTS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One way to run the models."""

    variant: str  # of the reranker
    slots: int
    threads: int
    batch_tokens: int  # that one run may stack; 1: one item a run

    def __str__(self) -> str:
        """Return it in words."""
        runs = f"stacks of {self.batch_tokens} tokens" if self.batch_tokens > 1 else "one item a run"
        return f"{self.variant}, {counted(self.slots, 'slot')} of {counted(self.threads, 'thread')}, {runs}"


@dataclass(frozen=True, slots=True)
class Measured:
    """The speed of an arrangement."""

    pairs_per_s: float  # of many searches at once
    alone_ms: float  # of one search on an idle server
    cores: float = 0.0  # that this process had, of many searches at once

    @property
    def score(self) -> float:
        """Return one figure for both, their geometric mean: a ratio counts the same in either."""
        return math.sqrt(self.pairs_per_s / self.alone_ms)


@dataclass(frozen=True, slots=True)
class Trial:
    """All that is known of one arrangement."""

    arrangement: Arrangement
    stage: str  # the last that it was in
    rounds: int  # that it was measured in that stage
    best: Measured | None  # of these, each figure on its own; None: it cannot run
    refused: str = ""  # and why


@dataclass(slots=True)
class Race:
    """A race between arrangements, and what was tried in it so far."""

    default: Arrangement
    measure: Callable[[Arrangement], Measured]
    progress: Callable[[str], None]
    trials: dict[Arrangement, Trial] = field(default_factory=dict)

    def run(self, variants: Mapping[str, Sequence[int]], divisions: Sequence[tuple[int, int]]) -> None:
        """Measure, from the first heat to the final.

        Args:
            variants: of the reranker, each with its batch budgets in tokens.
            divisions: slots and threads.

        Raises:
            ProviderError: the defaults cannot run.
        """
        plain = [Arrangement(one, *division, self.default.batch_tokens) for one in variants for division in divisions]
        best = self._heat("first heat", [self.default, *plain])
        stacked = [replace(one, batch_tokens=budget) for one in best for budget in variants[one.variant]]
        best = self._heat("second heat", [*best, *stacked]) if stacked else best
        finalists = _unique([self.default, *best])
        for number in range(1, _FINAL_ROUNDS + 1):
            self._round(FINAL, number, finalists)

    def _heat(self, stage: str, entrants: Sequence[Arrangement]) -> list[Arrangement]:
        """Return the leaders, best first."""
        entrants = _unique(entrants)
        self._round(stage, 1, entrants)
        better = self._ordered(entrants)
        self._round(stage, 2, better[: max(_LEADERS, -(-len(better) // 2))])
        return self._ordered(entrants)[:_LEADERS]

    def _round(self, stage: str, number: int, entrants: Sequence[Arrangement]) -> None:
        """Measure each once."""
        for position, one in enumerate(entrants, 1):
            where = f"{stage}, round {number}, {position} of {len(entrants)}: {one}"
            try:
                found = self.measure(one)
            except ProviderError as error:  # such as a GPU's memory that a stack does not fit into
                if one == self.default:
                    raise
                self.trials[one] = Trial(one, stage, 0, None, str(error))
                self.progress(f"{where}: {error}")
            else:
                self.trials[one] = _with(self.trials.get(one), one, stage, found)
                self.progress(f"{where}: {found.pairs_per_s:.1f} pairs/s, {found.alone_ms:.1f} ms")

    def _ordered(self, entrants: Iterable[Arrangement]) -> list[Arrangement]:
        """Return those that ran, best first."""
        ran = [(trial.best.score, one) for one in entrants if (trial := self.trials[one]).best]
        return [one for _, one in sorted(ran, key=lambda pair: -pair[0])]


def choose(trials: Iterable[Trial], default: Arrangement) -> tuple[Arrangement, float]:
    """Return the arrangement to take, and the best one's score over that of the defaults.

    Args:
        trials: the final's, the defaults' among them.
        default: the defaults, which stay unless another is better by the margin.
    """
    scores = {one.arrangement: one.best.score for one in trials if one.best}
    best = max(scores, key=lambda one: (scores[one], one == default))
    gain = scores[best] / scores[default]
    return (best if gain >= 1 + MARGIN else default), gain


def divisions(cores: int, *, gpu: bool) -> list[tuple[int, int]]:
    """Return the sensible numbers of slots and threads.

    On CPUs: threads double, and slots take what cores there are; also one run on all cores, and half the slots,
    since two cores may share one core's arithmetic (SMT). A GPU has its own; its slots hide each other's copies.
    """
    if gpu:
        return [(slots, 1) for slots in _GPU_SLOTS if slots <= cores] or [(1, 1)]
    doublings = [1 << power for power in range(cores.bit_length())]
    found = [(cores // threads, threads) for threads in (*doublings, cores)]
    return list(dict.fromkeys([*found, (max(1, cores // 2), 1)]))


def budgets(*, gpu: bool, compiles: bool) -> tuple[int, ...]:
    """Return the batch budgets to try beside the default."""
    if gpu:
        return _GPU_BUDGETS
    return _COMPILED_BUDGETS if compiles else _CPU_BUDGETS


def _with(before: Trial | None, one: Arrangement, stage: str, found: Measured) -> Trial:
    """Add a round to those of the same stage; a later stage begins anew."""
    if before is None or before.stage != stage or before.best is None:
        return Trial(one, stage, 1, found)
    best = Measured(
        max(before.best.pairs_per_s, found.pairs_per_s),
        min(before.best.alone_ms, found.alone_ms),
        max(before.best.cores, found.cores),
    )
    return Trial(one, stage, before.rounds + 1, best)


def _unique(arrangements: Iterable[Arrangement]) -> list[Arrangement]:
    return list(dict.fromkeys(arrangements))
