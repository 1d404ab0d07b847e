"""Draw latency over load."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shortlist.bench.outcome import Level

_LINES = (("p99", "#b3412e", "^"), ("p95", "#d99a2b", "s"), ("p50", "#2a6f97", "o"))
_GREY = "#666666"


def draw(levels: Sequence[Level], title: str, subtitle: str, path: Path) -> None:
    """Write a PNG of p50, p95 and p99 over what was answered a second; levels without answers are left out."""
    shown = [one for one in levels if one.all.latency_ms]
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for name, colour, marker in _LINES:
        across = [one.all.requests_per_s for one in shown]
        up = [getattr(one.all.latency_ms, name) for one in shown]
        axes.plot(across, up, color=colour, marker=marker, markersize=5, linewidth=1.8, label=name)
    _label(axes, shown)
    axes.set_xlabel("requests answered a second")
    axes.set_ylabel("latency, ms")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.08)
    axes.grid(visible=True, color="#e5e5e5", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    axes.set_title(subtitle, loc="left", fontsize=7.5, color=_GREY)
    figure.savefig(path)


def _label(axes: Axes, shown: Sequence[Level]) -> None:
    """Write beside every level what its load was."""
    for one in shown:
        if one.all.latency_ms:
            told = f"{one.clients}" if one.clients is not None else f"{one.rate:g}/s"
            place = (one.all.requests_per_s, one.all.latency_ms.p50)
            axes.annotate(told, place, (0, -12), textcoords="offset points", ha="center", fontsize=8, color=_GREY)
