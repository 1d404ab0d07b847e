"""What was measured so far: kept in a file between two runs, told line by line."""

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shortlist.bench import command
from shortlist.bench.app import event_loop
from shortlist.bench.benchmark import interrupts
from shortlist.bench.outcome import plain
from shortlist.bench.requests import Shape
from shortlist.bench.studies.watched import Watched
from shortlist.bench.texts import Texts
from shortlist.console.options import UsageError

from . import level, limits
from .level import Place, Point
from .settings import GrowthSettings

HEADS = (
    f"{'what':40} {'requests/s':>10} {'items/s':>9} {'p50 ms':>9} {'p99 ms':>9} {'slots':>6} {'server':>7}"
    f" {'client':>7} {'errors':>7} {'cut':>5}"
)


@dataclass(slots=True)
class Session:
    """The measurement of all axes: the points so far, and the measuring of those that are missing."""

    settings: GrowthSettings
    texts: Texts  # the real ones
    points: list[Point] = field(default_factory=list)
    interrupted: bool = False

    def missing(self, *places: Place) -> list[Place]:
        """Return those that are not measured yet; none once the run is interrupted."""
        there = {Place(one.axis, one.at, one.load, one.clients) for one in self.points}
        return [] if self.interrupted else [place for place in places if place not in there]

    def show(self, text: str) -> None:
        """Print what people read."""
        command.show(text, beside_json=self.settings.json)

    def measure(
        self, place: Place, server: Watched, shape: Shape, facts: Mapping[str, float], texts: Texts | None = None
    ) -> None:
        """Measure a level, keep it and print its line; do nothing once the run is interrupted.

        Args:
            place: which.
            server: what to load.
            shape: of the requests.
            facts: what its axis knows of it.
            texts: of the requests, if not the real ones.
        """
        if self.interrupted:
            return
        with asyncio.Runner(loop_factory=event_loop) as runner:
            found = runner.run(self._measured(place, server, shape, texts or self.texts))
        if found is None:
            return
        told = dataclasses.replace(found, facts=dict(facts))
        self.points.append(told)
        self._save()
        self.show(line(told))

    async def _measured(self, place: Place, server: Watched, shape: Shape, texts: Texts) -> Point | None:
        stop, chosen = asyncio.Event(), self.settings
        with interrupts(stop):
            found = await level.measure(place, server, texts, shape, chosen.plan, chosen.seed, stop)
        self.interrupted = stop.is_set()
        return found

    def _save(self) -> None:
        if self.settings.results:
            content = json.dumps(plain({"points": self.points}), indent=1)
            self.settings.results.write_text(f"{content}\n", encoding="utf-8")


def opened(settings: GrowthSettings, texts: Texts) -> Session:
    """Return a session with the points that are kept.

    Raises:
        UsageError: the file holds something else.
    """
    path = settings.results
    if path is None or not path.exists():
        return Session(settings, texts)
    try:
        kept: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["points"]
        return Session(settings, texts, [Point(**one) for one in kept])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"results {path} is no file of this command ({error}); name another") from None


def line(point: Point) -> str:
    """Return a level as a line under HEADS."""
    what = limits.where(point) + ("" if point.stable else " *")
    refused = sum(point.errors.values())
    return (
        f"{what:40} {point.requests_per_s:10.1f} {point.items_per_s:9.1f} {point.p50_ms:9.2f} {point.p99_ms:9.2f}"
        f" {point.busy_slots / point.slots:6.0%} {point.server_cores:7.2f} {point.generator_cores:7.2f}"
        f" {refused:7} {point.degraded:5}"
    )
