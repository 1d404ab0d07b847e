"""The outcome, for people: tables in markdown."""

from collections.abc import Callable, Sequence
from statistics import median

from .comparison import CANDIDATES, Outcome, Turn

_LOADS = {
    "encode": "token vectors of passages, kept nowhere; passages/s",
    "encode_both": "the same and the dual encoder's vectors; passages/s",
    "index": "index passages; passages/s",
    "search": "a search for ten; ms",
    "rerank": f"MaxSim of {CANDIDATES} indexed passages, the query's encoding included; ms",
    "score": f"MaxSim of {CANDIDATES} passages that are brought along; ms",
}


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the tables: by the clock, by the processor's time, and what else was found."""
    parts = ["By the clock, medians of the rounds (least to most):", _table(outcomes, "wall_s")]
    parts += ["By the processor's time, all threads together:", _table(outcomes, "cpu_s")]
    rows: list[tuple[str, ...]] = [
        ("", "versions", "tau", "largest change of a MaxSim", "kept of the ten best", "index, MB", "process, MB")
    ]
    for one in outcomes:
        taken = one.turns["index"][-1].answers[0].result
        sizes = [f"{taken[name] / 1e6:.1f}" for name in ("disk_bytes", "rss_bytes")]
        near = (f"{one.agreement.tau:.4f}", f"{one.agreement.change:.0e}", f"{one.kept:.3f}")
        rows.append((one.name, one.version, *near, *sizes))
    return "\n\n".join([*parts, _lines(rows)])


def _table(outcomes: Sequence[Outcome], time: str) -> str:
    rows = [("", *(one.name for one in outcomes))]
    for load, words in _LOADS.items():
        value = _rate(time) if words.endswith("/s") else _p50(time)
        cells = [_spread([value(turn) for turn in one.turns.get(load, ())]) for one in outcomes]
        rows.append((words, *cells))
    return _lines(rows)


def _rate(time: str) -> Callable[[Turn], float]:
    return lambda turn: turn.items / sum(getattr(one, time) for one in turn.answers)


def _p50(time: str) -> Callable[[Turn], float]:
    return lambda turn: 1000 * median(getattr(one, time) for one in turn.answers)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _lines(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
