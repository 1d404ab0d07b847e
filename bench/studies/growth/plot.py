"""Draw a panel an axis: what users wait, or what is done a second, over what grows."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .level import Point

_BLUE, _RED, _YELLOW, _GREY = "#2a6f97", "#b3412e", "#d99a2b", "#666666"
_LATENCY, _DONE = "latency, ms", "done a second"


def draw(points: Sequence[Point], title: str, path: Path) -> None:
    """Write a PNG of those axes that were measured."""
    panels = {"documents": _documents, "clients": _clients, "tokens": _tokens}
    shown = [axis for axis in panels if any(one.axis == axis for one in points)]
    figure = Figure(figsize=(5.2 * len(shown), 4.8), dpi=130, layout="constrained")
    for place, axis in enumerate(shown, 1):
        axes = figure.add_subplot(1, len(shown), place)
        panels[axis](axes, [one for one in points if one.axis == axis])
        axes.grid(visible=True, color="#e5e5e5", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        levels = sorted({one.at for one in points if one.axis == axis})
        axes.set_xscale("log")
        axes.set_xticks(levels, [_short(level) for level in levels])
        axes.minorticks_off()
        axes.set_xlabel(axis if axis != "tokens" else "tokens of a passage")
    figure.suptitle(title, fontsize=9, color=_GREY)
    figure.savefig(path)


def _documents(axes: Axes, points: Sequence[Point]) -> None:
    """Draw the latency of one client, whose request waits for no other's."""
    for load, told, colour in (("dense", "stage one alone", _BLUE), ("search", "both stages", _RED)):
        found = _line(points, load, 1)
        axes.plot([one.at for one in found], [one.p50_ms for one in found], "o-", color=colour, label=f"{told}, p50")
        axes.plot([one.at for one in found], [one.p99_ms for one in found], "o:", color=colour, label=f"{told}, p99")
        for one in found if load == "dense" else ():
            recall = f"recall {one.facts['recall_at_10']:.3f}"
            axes.annotate(recall, (one.at, one.p99_ms), (0, 8), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yscale("log")
    axes.margins(x=0.12, y=0.12)
    axes.set_ylabel(f"{_LATENCY}, one client")


def _clients(axes: Axes, points: Sequence[Point]) -> None:
    """Draw what is done a second, and what the last in a hundred wait."""
    beside = axes.twinx()
    beside.spines[["top"]].set_visible(False)
    for load, told, colour in (("rerank", "pairs reranked", _RED), ("dense", "dense searches", _BLUE)):
        found = _line(points, load)
        at = [one.at for one in found]
        axes.plot(at, [one.items_per_s for one in found], "o-", color=colour, label=f"{told} a second")
        axes.plot([], [], "o:", color=colour, label=f"{told}, p99 (right)")
        beside.plot(at, [one.p99_ms for one in found], "o:", color=colour)
    beside.set_yscale("log")
    beside.set_ylabel(_LATENCY)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(_DONE)


def _tokens(axes: Axes, points: Sequence[Point]) -> None:
    """Draw pairs and documents a second, and the tokens that they make."""
    for load, told, colour in (("rerank", "pairs reranked", _RED), ("embed", "documents embedded", _YELLOW)):
        found = _line(points, load, 8)
        at = [one.at for one in found]
        rates = [one.items_per_s for one in found]
        made = [one.items_per_s * one.facts["mean_tokens"] for one in found]
        axes.plot(at, rates, "o-", color=colour, label=told)
        axes.plot(at, made, "o:", color=colour, label=f"{told}, tokens")
    axes.set_yscale("log")
    axes.set_ylabel(f"{_DONE}, 8 clients")


def _line(points: Sequence[Point], load: str, clients: int = 0) -> list[Point]:
    """Return a load's points in their order, of so many clients if that is given; those without answers are out."""
    found = [one for one in points if one.load == load and clients in {0, one.clients} and one.p50_ms]
    return sorted(found, key=lambda one: one.at)


def _short(level: int) -> str:
    for unit, name in ((1_000_000, "M"), (1000, "k")):
        if level >= unit and level % unit == 0:
            return f"{level // unit}{name}"
    return str(level)
