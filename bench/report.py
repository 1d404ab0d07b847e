"""What a benchmark shows while it runs: a table that grows level by level, progress, and notes below it."""

from collections.abc import Iterator, Sequence

from shortlist.client.types import Recall
from shortlist.console.tables import GAP, grid

from .kinds import KINDS, SERVER_PARTS, Name
from .measuring import Plan, Progress
from .outcome import Level
from .samples import PERCENTILES, Figures

_SHORT = 7  # characters of a column, at least
# Of fewer, the nearest-rank 99th percentile is the greatest.
_TAIL_ANSWERS = 100
_BUSY_GENERATOR = 0.1  # of the cores


class Table:
    """A table of levels, printed line by line before the later levels are known."""

    def __init__(self, kinds: Sequence[Name], *, is_open: bool, has_deadline: bool) -> None:
        """Choose the columns that loads of these kinds have."""
        self._kinds = kinds
        self._parts = [part for part in SERVER_PARTS if any(part in KINDS[kind].parts for kind in kinds)]
        self._has_deadline = has_deadline
        items = KINDS[kinds[0]].items if len(kinds) == 1 else "items"
        self._heads = [
            "rate/s" if is_open else "clients",
            *(["kind"] if len(kinds) > 1 else []),
            "requests/s",
            f"{items}/s",
            *(f"p{percent}" for percent in PERCENTILES),
            "max",
            *self._parts,
            "server",
            "client",
            *(["late", "whole/s"] if is_open else []),
            *(["in time"] if has_deadline else []),
            "errors",
            "degraded",
            "windows",
        ]
        self._is_open = is_open

    def heads(self) -> str:
        """Return the lines above the levels."""
        first = self._heads.index("p50")
        parts = self._heads.index("max") + 1
        starts = [len(self._placed(self._heads[:place])) + len(GAP) for place in (first, parts)]
        above = "latency, ms".ljust(starts[1] - starts[0])
        return f"{' ' * starts[0]}{above}where it went, mean ms\n{self._line(self._heads)}"

    def lines(self, level: Level) -> str:
        """Return a level: a line, and of a mixed load one more for each kind."""
        windows = f"{len(level.windows) - level.set_aside} of {len(level.windows)}"
        if level.interrupted:
            windows += ", interrupted"
        elif not level.stable:
            windows += ", unstable"
        if len(self._kinds) == 1:
            return self._line([level.load, *self._cells(level.all, windows)])
        rows = [[level.load, "all", *self._cells(level.all, windows)]]
        rows += [["", kind, *self._cells(found, "")] for kind, found in level.kinds.items()]
        return "\n".join(map(self._line, rows))

    def _cells(self, found: Figures, windows: str) -> Iterator[str]:
        yield f"{found.requests_per_s:.1f}"
        yield f"{found.items_per_s:.1f}"
        latency = found.latency_ms
        values = (latency.p50, latency.p90, latency.p95, latency.p99, latency.max) if latency else (None,) * 5
        yield from map(_ms, values)
        for part in (*self._parts, "server", "client"):
            yield _ms(found.parts_ms[part].mean if part in found.parts_ms else None)
        if self._is_open:
            yield _ms(found.late_ms.mean if found.late_ms else None)
            yield f"{found.whole_per_s:.1f}"
        if self._has_deadline:
            yield "-" if found.in_time is None else f"{100 * found.in_time:.1f}%"
        yield str(sum(found.errors.values()))
        yield str(found.degraded)
        yield windows

    def _line(self, cells: Sequence[str]) -> str:
        return f"{self._placed(cells[:-1])}{GAP}{cells[-1]}".rstrip()

    def _placed(self, cells: Sequence[str]) -> str:
        return grid(self._heads[: len(cells)], [cells], right=True, least=_SHORT)[1]


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"  # noqa: PLR2004 (three digits)


def progress(load: str, seen: Progress) -> str:
    """Return how far the current level is."""
    return f"{load}: {seen.phase}, {seen.requests:,} requests done, {seen.outstanding:,} under way"


def notes(levels: Sequence[Level], plan: Plan, cores: int) -> Iterator[str]:
    """Yield what a reader of the figures should know."""
    for one in levels:
        yield from (f"{_where([one])}: {told}" for told in _told(one, plan, cores))
    if few := [one for one in levels if one.all.ok < _TAIL_ANSWERS]:
        yield f"{_where(few)}: p99 of fewer than {_TAIL_ANSWERS} answers is their maximum"


def _told(one: Level, plan: Plan, cores: int) -> Iterator[str]:
    """Yield what there is to say of one level."""
    found = one.all
    if one.interrupted:
        yield f"interrupted; the figures are those of {one.seconds:.1f} s"
    elif not one.stable:
        yield (
            f"no {plan.agreeing} windows agreed within {plan.tolerance:.0%}, so the figures are those of all"
            f" {len(one.windows)}; the load is too high to settle, or the machine does other work"
        )
    if found.errors:
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(found.errors.items()))
        yield f"{counts} of {found.requests:,} requests; latency is that of the others"
    if found.refused_ms:
        p50, p99 = _ms(found.refused_ms.p50), _ms(found.refused_ms.p99)
        yield f"refusals took {p50} ms in the median, {p99} ms at p99"
    if one.held_back:
        yield f"{one.held_back:,} requests were sent late: as many as `outstanding` allows were under way"
    if (infer := found.parts_ms.get("infer")) and infer.p50 == 0:
        yield "half of the answers or more cost no inference: the server had them in its cache"
    if one.generator_cores > _BUSY_GENERATOR * cores:
        yield f"the load generator itself kept {one.generator_cores:.2f} of {cores} cores busy"


def recall(found: Recall) -> str:
    """Return what the server measured of the searches: those of this load and, in its collection, those before."""
    if found.state == "exact":
        return "recall@50: 1, since every search compared all vectors"
    if found.measured is None:
        return "recall@50: not measured; the server has not done enough searches again (its setting recall_samples)"
    told = {"met": "met", "missed": "missed", "unmeasured": "not known yet", "exact": ""}[found.state]
    return (
        f"recall@50: {found.measured:.4f} (error {found.error:.4f}), of {found.samples} searches that the server did"
        f" again exactly; target {found.target:g} {told}, beam {found.beam}"
    )


def _where(levels: Sequence[Level]) -> str:
    return f"{'rate' if levels[0].clients is None else 'clients'} {', '.join(one.load for one in levels)}"
