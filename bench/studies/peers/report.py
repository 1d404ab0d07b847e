"""The outcome, for people (markdown) and for programs (JSON)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shortlist.bench import samples

from .agreement import Agreement
from .questions import BATCH
from .rounds import Row, Workload
from .turns import Range, Turn, ratios

SHORTLIST, INFINITY, OFFLINE = "Shortlist", "infinity", "offline"
_ITEMS = {"rerank": "pairs", "embed": "texts", "search": "searches", "ingest": "documents"}
_ALONE, _TOGETHER, _INGEST = Workload("rerank", 1), Workload("rerank", 8), Workload("ingest", 4)
# What Shortlist aims at: shares of the ideal's pairs/s and p50, times infinity's pairs/s, milliseconds of
# an embed, the share of the ideal's documents/s.
_LEAST_SHARE, _MOST_P50, _LEAST_TIMES, _MOST_MS, _LEAST_INGEST = 0.95, 1.08, 2.0, 1.0, 0.9


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


def targets(rows: Sequence[Row]) -> list[Target]:
    """Compare Shortlist with its aims, as far as there are rows for them."""
    found = []
    if best := _ideal(rows, _TOGETHER):
        share = ratios(_shortlist(rows, _TOGETHER), best.turns, _rate)
        found.append(_at_least(f"pairs/s with 8 clients, of {best.name}", _LEAST_SHARE, share))
    if best := _ideal(rows, _ALONE):
        share = ratios(_shortlist(rows, _ALONE), best.turns, _p50)
        found.append(_at_most(f"p50 of one client, of {best.name}", _MOST_P50, share))
    if peer := next((row for row in rows if row.load == _TOGETHER and row.name == INFINITY), None):
        times = ratios(_shortlist(rows, _TOGETHER), peer.turns, _rate)
        found.append(_at_least(f"pairs/s with 8 clients, of {peer.name}", _LEAST_TIMES, times))
    if best := _ideal(rows, Workload("embed", 1)):
        mine = _shortlist(rows, best.load)
        more = Range.of([_p50(one) - _p50(other) for one, other in zip(mine, best.turns, strict=True)])
        found.append(_at_most(f"p50 of one client's embed, in ms above {best.name}", _MOST_MS, more))
    if best := _ideal(rows, _INGEST):
        share = ratios(_shortlist(rows, _INGEST), best.turns, _rate)
        found.append(_at_least(f"documents/s of an ingest, of {best.name}", _LEAST_INGEST, share))
    return found


def _at_least(name: str, aim: float, found: Range) -> Target:
    return Target(name, f"at least {aim}", found, found.median >= aim)


def _at_most(name: str, aim: float, found: Range) -> Target:
    return Target(name, f"at most {aim}", found, found.median <= aim)


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


def _ideal(rows: Sequence[Row], load: Workload) -> Row | None:
    """Return the fastest of the bare loops: the ideal."""
    bare = [row for row in rows if row.load == load and row.name.startswith(OFFLINE)]
    return max(bare, key=lambda row: Range.of([one.rate for one in row.turns]).median, default=None)


def _shortlist(rows: Sequence[Row], load: Workload) -> tuple[Turn, ...]:
    return next(row.turns for row in rows if row.load == load and row.name == SHORTLIST)


def _rate(turn: Turn) -> float:
    return turn.rate


def _p50(turn: Turn) -> float:
    return turn.p50_ms


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
    mine = _shortlist(rows, load)
    heads = ("", "graph", f"{_ITEMS[load.kind]}/s", "x Shortlist", "p50 ms", "p95", "p99", "requests")
    cells = []
    for row in (row for row in rows if row.load == load):
        found = _figures(row)
        latency = [f"{value:.1f}" for value in found["latency_ms"].values()] or ["", "", ""]
        times = ratios(row.turns, mine, _rate).median
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
