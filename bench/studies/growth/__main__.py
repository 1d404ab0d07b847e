"""`python -m shortlist.bench.studies.growth`: settings in; a line a level, limits, a plot or JSON out."""

import sys
from dataclasses import asdict

from shortlist.bench import command, texts
from shortlist.bench.outcome import plain
from shortlist.console.extras import needs
from shortlist.server import cores

from . import axes, limits, session
from .settings import GrowthSettings

_DESCRIPTION = """\
Measure throughput and latency of a server of its own while one thing grows: documents in a collection (searches with
and without stage two, recall@10 against exact search, memory, disk, start), clients (reranks and dense searches), or
tokens of a passage (reranks and embeds).

Texts and vectors are real up to what the given collection has; further documents get mixtures of two real vectors
with a little noise, and its texts again. Filling a million documents takes ten minutes and more: --data keeps them.
Levels run until three windows agree; * marks one whose windows never did. Then a line an end of each axis says what
limits it, by what was measured. --results keeps what was measured, so that an axis can be measured in parts. Ctrl-C
ends the level under way and tells what there is. Linux only."""
_EXAMPLES = """\
  python -m shortlist.bench.studies.growth --embedder .demo/embedder --reranker .demo/reranker \\
    --collection-folder squad-dev --data growth --results growth.json --plot growth.png
  ... --axes documents --documents 1000000
  ... --axes clients --clients 1,2,4,8"""
_MEASURED = {"documents": axes.documents, "clients": axes.clients, "tokens": axes.tokens}


def main() -> int:
    """Measure and print; return the exit code."""
    return command.main("bench.studies.growth", GrowthSettings, _DESCRIPTION, _EXAMPLES, run)


def run(settings: GrowthSettings) -> int:
    """Measure what is asked for and not there yet, print, draw, and return the exit code."""
    if settings.plot:
        with needs("growth --plot", "bench"):
            from . import plot  # noqa: PLC0415 (only a plot wants what it imports)
    found = session.opened(settings, texts.find(folder=settings.collection_folder))
    found.show(session.HEADS)
    try:
        for axis in settings.axes:
            _MEASURED[axis](found)
    except KeyboardInterrupt:  # while a collection is filled or a server starts; else the level is told
        found.interrupted = True
    for limit in limits.lines(found.points, cores.usable()):
        found.show(limit)
    subject = f"{cores.usable()} cores of {cores.model_name()}"
    if settings.json:
        told = {
            "processor": cores.processor(),
            "cores": cores.usable(),
            "interrupted": found.interrupted,
            "settings": asdict(settings),
            "points": found.points,
        }
        command.result(plain(told))
    if settings.plot and found.points:
        plot.draw(found.points, subject, settings.plot)
    return command.INTERRUPTED if found.interrupted else command.OK


if __name__ == "__main__":
    sys.exit(main())
