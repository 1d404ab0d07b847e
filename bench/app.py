"""`shortlist bench`: load after load on a server, a table while it runs, with --json an object at the end.

    texts -> server (one of its own, or one that is there) -> collection -> level, level, ... -> JSON, plot

One process and one event loop, apart from the server. This module brings settings, texts and server together;
`benchmark.py` measures.
"""

import asyncio
import contextlib
import secrets
import selectors
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from shortlist.console.errors import UsageError
from shortlist.server import cores

from . import command, outcome, report, texts
from .benchmark import Benchmark
from .kinds import KINDS, Name
from .outcome import Level
from .settings import BenchSettings
from .texts import Draw, Texts

_OK, _INTERRUPTED = 0, 130


def run(settings: BenchSettings, draw_plot: Callable[[Sequence[Level], str, str, Path], None] | None) -> int:
    """Measure, print, and draw if that is asked for; return the exit code.

    Raises:
        UsageError: what was given cannot be measured.
        ShortlistError: the server refuses what a load is made of, or does not answer.
    """
    found = texts.find(settings.candidates, settings.collection_folder, settings.corpus, settings.queries)
    _check(settings, found)
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(settings.serving())
        runner = stack.enter_context(asyncio.Runner(loop_factory=event_loop))
        benchmark = Benchmark(settings, Draw(found, settings.seed, secrets.randbits(32)), address)
        runner.run(benchmark.run())
    if benchmark.levels:
        for note in report.notes(benchmark.levels, benchmark.plan, cores.usable()):
            command.show(f"note: {note}", beside_json=settings.json)
        if benchmark.recall:
            command.show(f"note: {report.recall(benchmark.recall)}", beside_json=settings.json)
        if settings.json:
            command.result(outcome.told(benchmark))
        if draw_plot and settings.plot and benchmark.described:
            subtitle = outcome.subtitle(benchmark.described, benchmark.documents)
            draw_plot(benchmark.levels, outcome.title(settings), subtitle, settings.plot)
    return _INTERRUPTED if benchmark.stop.is_set() else _OK


def _check(settings: BenchSettings, found: Texts) -> None:
    """Refuse texts that a load cannot be made of."""
    for kind in settings.shares():
        for what, flag in _wanted(kind, settings):
            if not getattr(found, what):
                raise UsageError(f"{kind} wants {what}, and {found.name} has none: give {flag} too")
    if "rerank" in settings.shares() and settings.passages > found.longest_list():
        raise UsageError(
            f"passages is {settings.passages}, but {found.name} has {found.longest_list()} for a query:"
            " give fewer, or other texts"
        )


def _wanted(kind: Name, settings: BenchSettings) -> Iterator[tuple[str, str]]:
    """Yield what requests of a kind draw from, and the setting that brings it."""
    is_query = settings.text_kind == "query"
    if kind in {"rerank", "dense", "search"} or (kind == "embed" and is_query):
        yield "queries", "--queries"
    if kind in {"rerank", "ingest"} or (kind == "embed" and not is_query):
        yield "passages", "--corpus"
    if KINDS[kind].searches and settings.collection is None:
        yield "passages", "--corpus or --collection"


def event_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop that wakes up on time: epoll, the default, waits for whole milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())
