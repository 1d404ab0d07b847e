"""Draw latency over load."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .outcome import Level

_LINES = (("p99", "#b3412e", "^"), ("p95", "#d99a2b", "s"), ("p50", "#2a6f97", "o"))
GREY = "#666666"


def draw(levels: Sequence[Level], title: str, subtitle: str, path: Path) -> None:
    """Write a picture of p50, p95 and p99 over what was answered a second; levels without answers are left out."""
    shown = [(one, one.all.requests_per_s, one.all.latency_ms) for one in levels if one.all.latency_ms]
    figure, axes = panel()
    for name, colour, marker in _LINES:
        up = [getattr(latency, name) for _, _, latency in shown]
        axes.plot([across for _, across, _ in shown], up, color=colour, marker=marker, linewidth=1.8, label=name)
    for one, across, latency in shown:
        told = one.load if one.stable else f"{one.load} (unstable)"
        axes.annotate(
            told, (across, latency.p99), (-5, 6), textcoords="offset points", ha="right", fontsize=9, color=GREY
        )
    what = "clients" if levels[0].clients is not None else "requests sent a second"
    axes.set_xlabel(f"requests answered a second; beside the points: {what}")
    axes.set_ylabel("latency, ms")
    axes.margins(x=0.1, y=0.12)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left")
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=24)
    axes.text(0, 1.025, subtitle, transform=axes.transAxes, fontsize=7.5, color=GREY)
    figure.savefig(path)


def panel() -> tuple[Figure, Axes]:
    """Return an empty figure in the one style of all plots."""
    figure, (axes,) = panels(1)
    return figure, axes


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of empty plots side by side, in that style."""
    figure = Figure(figsize=(8 if count == 1 else 6 * count, 5), dpi=150, layout="constrained")
    every = [figure.add_subplot(1, count, place) for place in range(1, count + 1)]
    for axes in every:
        axes.grid(visible=True, color="#e5e5e5", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, every
