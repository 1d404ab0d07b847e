"""`shortlist top`: what a server does now, live in a terminal."""

import math
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from shortlist.client.errors import ShortlistError
from shortlist.console import command_line, output, progress, tables
from shortlist.console.errors import UsageError
from shortlist.console.extras import needs

if TYPE_CHECKING:
    from .readings import Interval, Reading

_LANES = ("query", "rerank", "ingest")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # like all that asks a server here
_PATIENCE_S = 10.0
_WIDTH = 40  # of a bar


@dataclass(frozen=True, slots=True, kw_only=True)
class TopSettings:
    """The settings of `shortlist top`."""

    metrics: str = "http://127.0.0.1:9464/metrics"
    """where the server's numbers are: its --metrics-port, or /metrics of its --http-port"""
    every_s: float = 1.0
    """seconds between two looks"""
    looks: int = 0
    """how often to look; 0: until Ctrl-C. The first look shows means since the server's start"""

    def __post_init__(self) -> None:
        """Refuse what cannot be looked at.

        Raises:
            UsageError: naming the setting, its value and the limit.
        """
        if not self.metrics.startswith(("http://", "https://")):
            raise UsageError(f"metrics: got {self.metrics!r}, but it must be http://HOST:PORT/metrics")
        if not 0.1 <= self.every_s <= 3600:  # noqa: PLR2004 (said in the message)
            raise UsageError(f"every_s: got {self.every_s:g}, but it must be from 0.1 to 3600")
        if self.looks < 0:
            raise UsageError(f"looks: got {self.looks}, but it must be 0 or more")


COMMAND = command_line.command(
    "top",
    """\
shortlist top
shortlist top --metrics http://search.internal:9464/metrics --every-s 5
shortlist top --looks 1 | head -3""",
)


@COMMAND.default
def run(*, settings: Annotated[TopSettings, command_line.FLAT] = TopSettings()) -> int:
    """Watch what a server does: queue, slots, calls.

    The server must be served with --metrics-port or --http-port. On a terminal the page is drawn again in its place;
    elsewhere pages are printed one after another. Times are the ends of the metrics' buckets.
    """
    with needs("top", "cpu, gpu or openvino"):
        from .readings import Interval  # noqa: PLC0415 (the command's extra does not have what it imports)

    console = Console()
    new = _read(settings)
    old = new.at_its_start()
    with Live(console=console, screen=True, auto_refresh=False) if console.is_terminal else _Printed() as shown:
        look = 1
        while True:
            shown.update(Text(page(Interval(old, new), settings.metrics)), refresh=True)
            if look == settings.looks:
                return 0
            time.sleep(settings.every_s)
            look, old, new = look + 1, new, _read(settings)


class _Printed:
    """Pages where there is no terminal, in place of rich's Live."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End nothing."""

    def update(self, shown: Text, *, refresh: bool) -> None:  # noqa: ARG002 (as Live's)
        """Print a page."""
        output.write(shown.plain)


def _read(settings: TopSettings) -> "Reading":
    """Return the server's numbers.

    Raises:
        ShortlistError: it does not answer with any.
    """
    from .readings import Reading  # noqa: PLC0415 (as above)

    try:
        with _DIRECT.open(settings.metrics, timeout=_PATIENCE_S) as answer:
            found = Reading.of(answer.read().decode(), time.time())
    except (OSError, ValueError) as error:
        told = getattr(error, "reason", error)
        raise ShortlistError(f"no metrics at {settings.metrics}: {told}; serve with --metrics-port 9464") from error
    if "shortlist_info" not in found.values:
        raise ShortlistError(f"no metrics of Shortlist at {settings.metrics}; serve with --metrics-port 9464")
    return found


def page(seen: "Interval", where: str) -> str:
    """Return what happened between two readings, as a page of text."""
    new = seen.new
    ((version,),) = new.labels("shortlist_info", "version")
    up_s = new.at_s - new.value("process_start_time_seconds")
    head = (
        f"Shortlist {version} at {where}: up {progress.duration(up_s)},"
        f" {new.value('process_resident_memory_bytes') / 2**20:,.0f} MB,"
        f" {seen.rate('process_cpu_seconds_total'):.1f} cores, over {seen.seconds:,.0f} s"
    )
    parts = (_gauges(seen), _lanes(seen), _calls(seen), _stages(seen), _collections(seen))
    return "\n\n".join(["\n".join([head, *parts[0]]), *("\n".join(part) for part in parts[1:] if part)])


def _gauges(seen: "Interval") -> list[str]:
    new = seen.new
    slots, most = new.value("shortlist_slots"), new.value("shortlist_queue_tokens")
    busy = seen.rate("shortlist_slots_busy_seconds_total") / slots if slots else 0.0
    waiting = new.value("shortlist_waiting_tokens")
    faulty = new.value("shortlist_slots_faulty")
    off = seen.ratio("shortlist_runs_expected_seconds_total", "shortlist_slots_busy_seconds_total")
    return [
        f"slots  {_bar(busy)} {busy:4.0%} busy, {new.value('shortlist_slots_running'):.0f} of {slots:.0f} run now"
        + (f", {faulty:.0f} FAULTY" if faulty else ""),
        f"queue  {_bar(waiting / most)} {waiting / most:4.0%}, {waiting:,.0f} of {most:,.0f} tokens wait",
        f"runs were expected to take {tables.number(off, 2)} times what they took; cache hits: "
        + ", ".join(f"{name} {_hits(seen, name)}" for name in ("vectors", "scores")),
    ]


def _bar(share: float) -> str:
    filled = round(_WIDTH * min(1.0, share))
    return f"[{'|' * filled}{' ' * (_WIDTH - filled)}]"


def _hits(seen: "Interval", cache: str) -> str:
    hits = seen.increase("shortlist_cache_hits_total", cache=cache)
    asked = hits + seen.increase("shortlist_cache_misses_total", cache=cache)
    return f"{hits / asked:.0%}" if asked else "-"


def _lanes(seen: "Interval") -> list[str]:
    rows = []
    for lane in _LANES:
        useful = seen.ratio("shortlist_tokens_total", "shortlist_padded_tokens_total", lane=lane)
        rows.append(
            [
                lane,
                f"{seen.new.value('shortlist_waiting_jobs', lane=lane):,.0f}",
                f"{seen.new.value('shortlist_waiting_tokens', lane=lane):,.0f}",
                f"{seen.rate('shortlist_runs_total', lane=lane):,.1f}",
                f"{seen.rate('shortlist_tokens_total', lane=lane):,.0f}",
                "-" if useful is None else f"{1 - useful:.0%}",
            ]
        )
    return _grid(("lane", "jobs wait", "tokens wait", "runs/s", "tokens/s", "padding"), rows)


def _calls(seen: "Interval") -> list[str]:
    name, rows = "shortlist_requests_total", []
    for face, method in seen.new.labels(name, "face", "method"):
        of = {"face": face, "method": method}
        if not (all_ := seen.increase(name, **of)):
            continue
        well = seen.increase(name, **of, status="OK")
        took = [seen.quantile("shortlist_request_seconds", share, **of) for share in (0.5, 0.99)]
        rows.append(
            [f"{face} {method}", f"{all_ / seen.seconds:,.1f}", f"{1 - well / all_:.1%}", *map(_within, took)]
        )
    return _grid(("call", "calls/s", "not OK", "p50 ms", "p99 ms"), rows) if rows else []


def _stages(seen: "Interval") -> list[str]:
    name, rows = "shortlist_stage_seconds", []
    for (stage,) in seen.new.labels(f"{name}_count", "stage"):
        mean = seen.ratio(f"{name}_sum", f"{name}_count", stage=stage)
        if mean is not None:
            rate = seen.rate(f"{name}_count", stage=stage)
            rows.append(
                [
                    stage,
                    f"{rate:,.1f}",
                    tables.number(1000 * mean, 1),
                    _within(seen.quantile(name, 0.99, stage=stage)),
                ]
            )
    return _grid(("stage", "times/s", "mean ms", "p99 ms"), rows) if rows else []


def _collections(seen: "Interval") -> list[str]:
    rows = []
    for (name,) in seen.new.labels("shortlist_documents", "collection"):
        told = [
            seen.new.value(f"shortlist_{what}", collection=name) for what in ("documents", "vectors", "disk_bytes")
        ]
        documents, vectors, size_bytes = told
        known = seen.new.value("shortlist_recall_samples", collection=name)
        recall = f"{seen.new.value('shortlist_recall', collection=name):.3f}" if known else "-"
        rows.append([name, f"{documents:,.0f}", f"{vectors:,.0f}", f"{size_bytes / 2**20:,.1f}", recall])
    return _grid(("collection", "documents", "vectors", "MB on disk", "recall"), rows) if rows else []


def _within(seconds: float | None) -> str:
    """Return below what a time lies, in milliseconds; it may be beyond all buckets."""
    if seconds is None:
        return "-"
    return "beyond" if math.isinf(seconds) else f"<{1000 * seconds:g}"


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table whose first column is text, and the others numbers."""
    names = tables.grid(heads[:1], [row[:1] for row in rows])
    numbers = tables.grid(heads[1:], [row[1:] for row in rows], right=True, least=9)
    return [f"{name}{tables.GAP}{number}" for name, number in zip(names, numbers, strict=True)]
