"""Whether two runs over the same queries differ: Student's paired t-test, two-sided.

It holds up where differences are not normal, as those of nDCG are not (Smucker, Allan and Carterette, 2007,
10.1145/1321440.1321528; Urbano, Lima and Hanjalic, 2019, 10.1145/3331184.3331259). Each p is of one comparison alone:
of twenty comparisons without any difference, one has a p below 0.05.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One measure of two runs, over the queries that both have."""

    run: str
    measure: str
    queries: int
    before: float  # the mean
    now: float
    difference: float  # of the means
    low: float | None  # the 95% confidence interval of the difference; None: of fewer than two queries
    high: float | None
    p: float | None  # how often chance alone differs so much; None as above
    better: int  # queries
    worse: int


def compare(run: str, measure: str, before: Mapping[str, float], now: Mapping[str, float]) -> Comparison:
    """Compare what the queries of two runs are worth, those that both have.

    Args:
        run: its name.
        measure: its name.
        before: values of the other run, by query.
        now: values of this run, by query.
    """
    names = sorted(before.keys() & now.keys())
    old, new = (np.array([values[name] for name in names], np.float64) for values in (before, now))
    changes = new - old
    low, high, p = _tested(old, new)
    return Comparison(
        run=run,
        measure=measure,
        queries=len(names),
        before=float(old.mean()),
        now=float(new.mean()),
        difference=float(changes.mean()),
        low=low,
        high=high,
        p=p,
        better=int((changes > 0).sum()),
        worse=int((changes < 0).sum()),
    )


def _tested(old: Floats, new: Floats) -> tuple[float | None, float | None, float | None]:
    """Return the ends of the confidence interval of the mean change, and p."""
    if len(old) < 2:  # noqa: PLR2004 (one query has no spread)
        return None, None, None
    if not np.ptp(new - old):  # every query changed by the same, most likely by nothing: no spread to test against
        same = float(new[0] - old[0])
        return same, same, 0.0 if same else 1.0
    tested = stats.ttest_rel(new, old)
    interval = tested.confidence_interval(_CONFIDENCE)
    return float(interval.low), float(interval.high), float(tested.pvalue)
