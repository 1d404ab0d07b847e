"""The outcome, for people (markdown) and for programs (JSON)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shortlist.bench import samples

from .agreement import Agreement
from .questions import BATCH
from .rounds import Row, Workload
from .turns import Range, Turn

SHORTLIST, INFINITY, OFFLINE = "Shortlist", "infinity", "offline"
_ITEMS = {"rerank": "pairs", "embed": "texts", "search": "searches", "ingest": "documents"}


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a comparison."""

    machine: str
    passages: int
    rounds: int
    seconds: float
    rows: list[Row]
    versions: Mapping[str, str]  # by peer
    agreements: Mapping[str, Agreement]  # by peer, with Shortlist
    left_out: Mapping[str, str]  # by peer: why


@dataclass(frozen=True, slots=True)
class Target:
    """An aim, and what was found."""

    name: str
    aim: str
    found: Range
    met: bool


def _rate(mine: Turn, other: Turn) -> float:
    return mine.rate / other.rate


def _p50(mine: Turn, other: Turn) -> float:
    return mine.p50_ms / other.p50_ms


def _above(mine: Turn, other: Turn) -> float:
    return mine.p50_ms - other.p50_ms


# What Shortlist aims at, beside the fastest whose name begins so: of the bare loop, the ideal.
_AIMS = (
    ("pairs/s with 8 clients, of", Workload("rerank", 8), OFFLINE, _rate, "at least", 0.95),
    ("p50 of one client, of", Workload("rerank", 1), OFFLINE, _p50, "at most", 1.08),
    ("pairs/s with 8 clients, of", Workload("rerank", 8), INFINITY, _rate, "at least", 2.0),
    ("p50 of one client's embed, in ms above", Workload("embed", 1), OFFLINE, _above, "at most", 1.0),
    ("documents/s of an ingest, of", Workload("ingest", 4), OFFLINE, _rate, "at least", 0.9),
)


def targets(rows: Sequence[Row]) -> list[Target]:
    """Compare Shortlist with its aims, as far as there are rows for them."""
    result = []
    for what, load, beside, compare, word, aim in _AIMS:
        if best := _fastest(rows, load, beside):
            (mine,) = _named(rows, load, SHORTLIST)
            found = _compared(mine, best, compare)
            met = found.median >= aim if word == "at least" else found.median <= aim
            result.append(Target(f"{what} {best.name}", f"{word} {aim}", found, met))
    return result


def _named(rows: Sequence[Row], load: Workload, name: str) -> list[Row]:
    return [row for row in rows if row.load == load and row.name.startswith(name)]


def _fastest(rows: Sequence[Row], load: Workload, name: str) -> Row | None:
    return max(
        _named(rows, load, name), key=lambda row: Range.of([one.rate for one in row.turns]).median, default=None
    )


def _compared(mine: Row, other: Row, compare: Callable[[Turn, Turn], float]) -> Range:
    """Compare round by round: a slow minute of the machine meets both."""
    return Range.of([compare(one, two) for one, two in zip(mine.turns, other.turns, strict=True)])


def markdown(report: Report) -> str:
    """Return the tables."""
    parts = [f"{report.machine}; {report.rounds} rounds of {report.seconds:g} s, medians (least to most)."]
    for load in dict.fromkeys(row.load for row in report.rows):
        parts.append(f"{_title(load, report.passages)}:")
        parts.append(_load_table(report.rows, load))
    if aims := targets(report.rows):
        rows = [(one.name, one.aim, _spread(one.found, 2), "yes" if one.met else "**no**") for one in aims]
        parts.append(_table(("Shortlist's", "aim", "found", "met"), rows))
    parts.append(_table(("peer", "versions", "tau", "largest change of a score", "least cosine"), _peers(report)))
    parts += [f"Left out: {name}: {why}." for name, why in report.left_out.items()]
    return "\n\n".join(parts)


def plain(report: Report) -> dict[str, Any]:
    """Return everything as JSON has it; a row's turns as rates and latencies."""
    return {
        **asdict(report),
        "rows": [{**asdict(row.load), "name": row.name, "graph": row.graph, **_figures(row)} for row in report.rows],
        "targets": [asdict(one) for one in targets(report.rows)],
    }


def _title(load: Workload, passages: int) -> str:
    clients = f"{load.clients} client{'s' if load.clients > 1 else ''}"
    what = {
        "rerank": f"Rerank {passages} passages a request",
        "embed": "Embed one short text a request",
        "search": f"Search in two stages, {passages} candidates",
        "ingest": f"Take {BATCH} documents in a request",
    }
    return f"{what[load.kind]}, {clients}"


def _load_table(rows: Sequence[Row], load: Workload) -> str:
    (mine,) = _named(rows, load, SHORTLIST)
    heads = ("", "graph", f"{_ITEMS[load.kind]}/s", "x Shortlist", "p50 ms", "p95", "p99", "requests")
    cells = []
    for row in _named(rows, load, ""):
        found = _figures(row)
        latency = [f"{value:.1f}" for value in found["latency_ms"].values()] or ["", "", ""]
        times = _compared(row, mine, _rate).median
        rate = _spread(Range(**found["rate"]), 1)
        cells.append((row.name, row.graph, rate, f"{times:.2f}", *latency, str(found["requests"] or "")))
    return _table(heads, cells)


def _figures(row: Row) -> dict[str, Any]:
    """Return a row's figures: p50 is the median of the rounds, p95 and p99 are those of all requests together."""
    together = sorted(one for turn in row.turns for one in turn.latencies_s)
    latency = {}
    if together:  # an offline group of several clients' has none
        latency["p50"] = Range.of([turn.p50_ms for turn in row.turns]).median
        latency |= {f"p{percent}": 1000 * samples.percentile(together, percent) for percent in (95, 99)}
    rate = Range.of([turn.rate for turn in row.turns])
    return {"rate": asdict(rate), "latency_ms": latency, "requests": len(together)}


def _peers(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, version in report.versions.items():
        found = report.agreements.get(name)
        told = (f"{found.tau:.3f}", f"{found.score_change:.0e}", f"{found.cosine:.4f}") if found else ("", "", "")
        rows.append((name, version, *told))
    return rows


def _spread(found: Range, digits: int) -> str:
    return f"{found.median:.{digits}f} ({found.least:.{digits}f} to {found.most:.{digits}f})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
