"""Draw nDCG@10 over what it costs: candidates, and milliseconds."""

from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes

from shortlist.bench.plot import GREY, panels

from .measures import NDCG
from .outcome import Outcome, Run

_COLOURS = ("#2a6f97", "#b3412e", "#d99a2b")


def draw(found: Outcome, path: Path) -> None:
    """Write a picture: nDCG@10 over candidates, beside their best order, and over milliseconds if there are any."""
    is_timed = all(one.ms is not None for one in found.runs)
    figure, every = panels(2 if is_timed else 1)
    sources = list(dict.fromkeys(one.source for one in found.runs))
    for source, colour in zip(sources, cycle(_COLOURS), strict=False):
        runs = [one for one in found.runs if one.source == source and one.candidates is not None]
        _over_candidates(every[0], source, colour, runs)
        if is_timed:
            (alone,) = (one for one in found.runs if one.source == source and one.candidates is None)
            _over_ms(every[1], source, colour, alone, runs)
    every[0].set_xlabel("candidates that stage two reads")
    every[0].set_ylabel(NDCG)
    for axes in every:
        axes.set_xlim(left=0)
        axes.legend(frameon=False, loc="best")
    every[0].set_title(f"{found.collection}, {runs[0].queries:,} queries", loc="left", fontweight="bold", pad=24)
    models = f"{_short(found.embedder)}; {_short(found.reranker)}"
    every[0].text(0, 1.025, models, transform=every[0].transAxes, fontsize=7.5, color=GREY)
    figure.savefig(path)


def _over_candidates(axes: Axes, source: str, colour: str, runs: list[Run]) -> None:
    counts = [one.candidates or 0 for one in runs]
    axes.plot(counts, [one.at_best or 0 for one in runs], color=colour, linestyle=":", label=f"{source}, best order")
    axes.plot(counts, [one.measures[NDCG] for one in runs], color=colour, marker="o", label=f"{source}, reranked")
    before = [one.over_stage_one.before for one in runs if one.over_stage_one]
    axes.plot(counts, before, color=colour, linestyle="--", label=f"{source} alone")


def _over_ms(axes: Axes, source: str, colour: str, alone: Run, runs: list[Run]) -> None:
    """Draw from stage one alone, on the queries of both stages, to the most candidates."""
    first = runs[0].over_stage_one
    points = [(alone.ms or 0, first.before if first else 0, "0")]
    points += [(one.ms or 0, one.measures[NDCG], str(one.candidates)) for one in runs]
    axes.plot([ms for ms, _, _ in points], [worth for _, worth, _ in points], color=colour, marker="o", label=source)
    for ms, worth, told in points:
        axes.annotate(told, (ms, worth), (4, -11), textcoords="offset points", fontsize=8, color=GREY)
    axes.set_xlabel("median of a search alone, ms; beside the points: candidates")


def _short(model: str) -> str:
    """Return a model's name without the folders before it."""
    return model.rpartition("/")[2]
