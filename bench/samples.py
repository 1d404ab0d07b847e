"""What requests under load came to: one sample each, and the figures over many.

Pure functions over samples; knows neither clocks nor servers. Times of samples are seconds of one monotonic clock,
figures are in milliseconds and per second.

A request counts where it was *due*: when a client of a closed loop sent it, or when an open loop ought to have. So
latency holds whatever a stall kept from being sent in time (the "coordinated omission" that it corrects for).
Throughput counts what was answered inside the time that is looked at, whenever it was due.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

OK = "OK"
REFUSED = "RESOURCE_EXHAUSTED"
PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request, as its sender reports it."""

    kind: str  # which of several kinds of requests it was
    items: int = 0  # texts, pairs or documents that it had done
    status: str = OK  # else the name of a gRPC status, or of what stands for one
    degraded: bool = False  # answered with less than was asked for
    parts_ms: Mapping[str, float] = field(default_factory=dict)  # where the server says that its time went


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was due, was sent and ended, and its reply."""

    due_s: float
    sent_s: float
    ended_s: float
    reply: Reply

    @property
    def latency_s(self) -> float:
        """From when it was due to its end."""
        return self.ended_s - self.due_s


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of a time, in milliseconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in a run, and what was answered in it."""

    begin_s: float
    end_s: float
    due: int  # requests
    answered: int  # with OK, whenever they were due
    p50_ms: float | None  # of the answered; None: there are none

    @property
    def requests_per_s(self) -> float:
        """The throughput."""
        return self.answered / (self.end_s - self.begin_s)

    def told(self) -> dict[str, float | None]:
        """Return what a result says of it."""
        seconds = self.end_s - self.begin_s
        return {"seconds": seconds, "due": self.due, "requests_per_s": self.requests_per_s, "p50_ms": self.p50_ms}


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of all requests in a stretch of time."""

    requests: int  # due in it
    ok: int
    errors: dict[str, int]  # by status
    degraded: int  # of those that are OK
    in_time: float | None  # share of the requests that are OK within the deadline; None: there was none
    late_ms: Spread | None  # how long after they were due requests were sent
    refused_ms: Spread | None  # how long those waited that the server had no room for; None: there are none
    requests_per_s: float  # answered in it
    whole_per_s: float  # of those, with all that was asked for
    items_per_s: float  # texts, pairs or documents of those
    latency_ms: Spread | None  # of those that are OK; None: there are none
    overhead_ms: Spread | None  # of the same, without the part "infer"
    parts_ms: dict[str, Spread]  # of the same, by part


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile: the least value that `percent` of them do not exceed.

    It is one of the values; NumPy calls it "inverted_cdf".

    Args:
        ordered: the values, ascending, at least one.
        percent: 1 to 100.
    """
    return ordered[-(-percent * len(ordered) // 100) - 1]  # in whole numbers: 0.95 * 20 may be above 19


def spread(values_ms: Iterable[float]) -> Spread | None:
    """Return the distribution of times; None if there are none."""
    ordered = sorted(values_ms)
    if not ordered:
        return None
    p50, p90, p95, p99 = (percentile(ordered, percent) for percent in PERCENTILES)
    return Spread(fmean(ordered), p50, p90, p95, p99, ordered[-1])


def window(samples: Iterable[Sample], begin_s: float, end_s: float, due: int) -> Window:
    """Return what was answered from `begin_s` until just before `end_s`, while `due` requests came."""
    latencies = sorted(one.latency_s for one in _answered(samples, begin_s, end_s))
    p50_ms = 1000 * percentile(latencies, 50) if latencies else None
    return Window(begin_s, end_s, due, len(latencies), p50_ms)


def stable(windows: Sequence[Window], count: int, tolerance: float, *, paced: bool = False) -> bool:
    """Return whether the last `count` windows agree in throughput and in median latency.

    They do where the largest is above the smallest by no more than `tolerance`, a share of the smallest.

    Args:
        windows: in their order.
        count: how many of them must agree.
        tolerance: a share.
        paced: the requests came at times drawn by chance, so what is compared is the share of them that was answered.
    """
    if len(windows) < count:
        return False
    last = windows[-count:]
    medians = [one.p50_ms for one in last if one.p50_ms is not None]
    rates = [one.answered / max(one.due, 1) if paced else one.requests_per_s for one in last]
    return len(medians) == count and all(max(values) <= (1 + tolerance) * min(values) for values in (rates, medians))


def figures(samples: Sequence[Sample], begin_s: float, end_s: float, deadline_s: float | None = None) -> Figures:
    """Return the figures of the requests that were due from `begin_s` until just before `end_s`.

    Args:
        samples: of a run, with all that were due then; others may be among them.
        begin_s: the beginning.
        end_s: the end.
        deadline_s: what `in_time` is held against, counted like latency.
    """
    due = [one for one in samples if begin_s <= one.due_s < end_s]
    good = [one for one in due if one.reply.status == OK]
    answered = _answered(samples, begin_s, end_s)
    in_time = None
    if deadline_s is not None and due:
        in_time = sum(one.latency_s <= deadline_s for one in good) / len(due)
    return Figures(
        requests=len(due),
        ok=len(good),
        errors=dict(Counter(one.reply.status for one in due if one.reply.status != OK)),
        degraded=sum(one.reply.degraded for one in good),
        in_time=in_time,
        late_ms=spread(1000 * (one.sent_s - one.due_s) for one in due),
        refused_ms=spread(1000 * one.latency_s for one in due if one.reply.status == REFUSED),
        requests_per_s=len(answered) / (end_s - begin_s),
        whole_per_s=sum(not one.reply.degraded for one in answered) / (end_s - begin_s),
        items_per_s=sum(one.reply.items for one in answered) / (end_s - begin_s),
        latency_ms=spread(1000 * one.latency_s for one in good),
        overhead_ms=spread(1000 * one.latency_s - one.reply.parts_ms.get("infer", 0.0) for one in good),
        parts_ms=_parts(good),
    )


def _answered(samples: Iterable[Sample], begin_s: float, end_s: float) -> list[Sample]:
    return [one for one in samples if one.reply.status == OK and begin_s <= one.ended_s < end_s]


def _parts(samples: Sequence[Sample]) -> dict[str, Spread]:
    """Return the spread of every part; one that a reply does not name took no time in it."""
    names = dict.fromkeys(name for one in samples for name in one.reply.parts_ms)
    spreads = {name: spread(one.reply.parts_ms.get(name, 0.0) for one in samples) for name in names}
    return {name: found for name, found in spreads.items() if found is not None}
