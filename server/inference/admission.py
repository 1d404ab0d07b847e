"""Whether a job can be done before its deadline: the one place that decides so before it is begun.

A queue that admits all that fits its memory grows, under overload, until every answer comes at its deadline with a
part of what was asked. So a job is admitted if

    waits + takes <= share * left     it is expected to be done, with time to spare, or
    waits <= (1 - share) * left       it would be cut short on an idle server too, and loses little by waiting

`waits` is the work before it, `takes` its own, `left` the time to its deadline, all in seconds of all slots together.
The time to spare is what keeps answers whole: estimates are some percent off, and a queue that is filled up to the
deadline would cut every one of its jobs by as much.

Pure arithmetic: knows neither jobs nor clocks.
"""

import random

from shortlist.server.errors import DeadlineExceeded, Overloaded

_LEAST_RETRY_S = 0.05


def budget_s(left_s: float, share: float) -> float:
    """Return what a job may be expected to take on an idle server, so that it is done with time to spare."""
    return share * left_s


def check(waits_s: float, takes_s: float, left_s: float, share: float, *, whole: bool) -> None:
    """Refuse a job that its deadline does not allow.

    Args:
        waits_s: expected until its first run.
        takes_s: expected from then on.
        left_s: until its deadline.
        share: of the time left that admitted work may be expected to take.
        whole: whether a part of it is worth nothing.

    Raises:
        DeadlineExceeded: the job must be done whole, and could not be on an idle server.
        Overloaded: what waits before it is in its way; `retry_after_ms` says when it would be admitted.
    """
    if whole and takes_s > left_s:
        raise DeadlineExceeded(
            f"this takes about {1000 * takes_s:.0f} ms, but {1000 * max(0.0, left_s):.0f} ms are left;"
            " allow more time, or send less at once"
        )
    if left_s <= 0:  # nothing of it would be done on an idle server either
        return
    allowed_s = max(budget_s(left_s, share) - takes_s, (1 - share) * left_s)
    if whole:
        allowed_s = min(allowed_s, left_s - takes_s)
    if waits_s > allowed_s:
        raise Overloaded(
            f"the server is busy for {1000 * waits_s:.0f} ms, this takes about {1000 * takes_s:.0f} ms more, and"
            f" {1000 * left_s:.0f} ms are left; try again later, or allow more time",
            retry_after_ms=retry_after_ms(waits_s - allowed_s),
        )


def retry_after_ms(busy_s: float) -> int:
    """Return when to come back to a server that is busy for so long: a random time, so that callers spread out."""
    return round(1000 * max(_LEAST_RETRY_S, busy_s) * random.uniform(1, 2))  # noqa: S311 (spreads callers, hides nothing)
