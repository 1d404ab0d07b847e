"""Progress on standard error: one line redrawn on a terminal, a line now and then elsewhere.

Knows what was done and when, not what is done. Its owner calls it from one thread; `Steps` has one of
its own, to watch the clock.
"""

import threading
import time
from collections.abc import Callable
from typing import Self, TextIO

from .output import counted
from .pace import Pace

_TERMINAL_EVERY_S = 0.1
_LOG_EVERY_S = 5.0
_CLEAR_LINE = "\r\x1b[K"


class StatusLine:
    """A line of a terminal that is drawn again in its place."""

    def __init__(self, stream: TextIO) -> None:
        """Begin with an empty line.

        Args:
            stream: where to draw; what is no terminal gets nothing.
        """
        self._stream = stream
        self.is_drawn = stream.isatty()

    def show(self, text: str) -> None:
        """Draw another text; an empty one makes room for what comes after."""
        if self.is_drawn:
            self._stream.write(f"{_CLEAR_LINE}{text}")
            self._stream.flush()

    def log(self, text: str) -> None:
        """Draw another text, or print it on a line of its own where nothing is drawn."""
        if self.is_drawn:
            self.show(text)
        else:
            print(text, file=self._stream, flush=True)


class Progress:
    """How far a job is, how fast it goes and how long it still takes."""

    def __init__(
        self,
        stream: TextIO,
        verb: str,
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        noun: str = "document",
    ) -> None:
        """Begin at nothing done.

        Args:
            stream: where to show it.
            verb: what happens to each, such as "indexed".
            total: how many there are; None if that is not known.
            clock: seconds, monotonic.
            noun: what each is.
        """
        self._verb = verb
        self._noun = noun
        self._total = total
        self._clock = clock
        self._status = StatusLine(stream)
        self.pace = Pace(clock())
        self._shown_at = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._status.show("")

    def update(self, done: int, unchanged: int = 0) -> None:
        """Count what is done, some of it already, and show it if it is time to."""
        now = self._clock()
        self.pace.add(now, done, unchanged)
        if now - self._shown_at >= (_TERMINAL_EVERY_S if self._status.is_drawn else _LOG_EVERY_S):
            self._shown_at = now
            self._status.log(line(self._verb, done, self._total, self.pace.recent, unchanged, self._noun))


class Steps:
    """The steps of a job, a line each; one that takes long shows for how long, from a thread of its own."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin before the first step.

        Args:
            stream: where to show them.
            clock: seconds, monotonic.
        """
        self._stream = stream
        self._clock = clock
        self._status = StatusLine(stream)
        self._since = clock()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._status.show("")

    def say(self, text: str) -> None:
        """Show the next step."""
        with self._lock:
            self._status.show("")
            print(text, file=self._stream, flush=True)
            self._since = self._clock()

    def tick(self) -> None:
        """Show for how long the step has been running; in a log, if that is long."""
        with self._lock:
            took_s = self._clock() - self._since
            if self._status.is_drawn or took_s >= _LOG_EVERY_S:
                self._status.log(f"      ... {duration(took_s)}")

    def _watch(self) -> None:
        while not self._ended.wait(1.0 if self._status.is_drawn else _LOG_EVERY_S):
            self.tick()


def line(verb: str, done: int, total: int | None, rate: float, unchanged: int, noun: str = "document") -> str:
    """Return progress as one line; `rate` is per second."""
    if total is None:
        parts = [f"{verb} {counted(done, noun)}", f"{rate:,.0f}/s"]
    else:
        parts = [f"{verb} {done:,} of {counted(total, noun)} ({100 * done // max(total, 1)}%)", f"{rate:,.0f}/s"]
        if rate > 0:
            parts.append(f"{duration((total - done) / rate)} left")
    if unchanged:
        parts.append(f"{unchanged:,} unchanged")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a time as a person says it, in its two largest units."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, rest_min = divmod(minutes, 60)
    if hours:
        return f"{hours} h {rest_min} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"
