"""Progress on a terminal and in a log."""

import contextlib
import io

import pytest

from shortlist.console.progress import Progress, Steps, duration, line


class Screen(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, *, terminal):
        super().__init__()
        self._terminal = terminal

    def isatty(self):
        """Answer as told."""
        return self._terminal


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self):
        """Return the time."""
        return self.now


def test_line():
    """A line holds count, rate, time left and what was there already."""
    assert (
        line("indexed", 250, 1000, 50.0, 10) == "indexed 250 of 1,000 documents (25%), 50/s, 15 s left, 10 unchanged"
    )
    assert line("indexed", 1250, None, 0.0, 0) == "indexed 1,250 documents, 0/s"
    assert line("scored", 1, None, 2.0, 0, "text") == "scored 1 text, 2/s"
    assert line("indexed", 0, 0, 0.0, 0) == "indexed 0 of 0 documents (0%), 0/s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3_900, "1 h 5 min")]
)
def test_duration(seconds, text):
    """A time is told in its two largest units."""
    assert text == duration(seconds)


def test_a_log_gets_a_line_now_and_then():
    """Away from a terminal there is a whole line every 5 seconds, without control characters."""
    screen, clock = Screen(terminal=False), Clock()
    with Progress(screen, "indexed", 100, clock) as progress:
        for second in range(1, 11):
            clock.now = 100.0 + second
            progress.update(second)
    assert screen.getvalue() == (
        "indexed 5 of 100 documents (5%), 1/s, 1 min 35 s left\n"
        "indexed 10 of 100 documents (10%), 1/s, 1 min 30 s left\n"
    )


def test_a_terminal_gets_one_line_redrawn():
    """On a terminal the line is drawn again in its place, and taken away at the end."""
    screen, clock = Screen(terminal=True), Clock()
    with Progress(screen, "indexed", None, clock) as progress:
        clock.now += 1
        progress.update(3)
        progress.update(4)
    assert screen.getvalue() == "\r\x1b[Kindexed 3 documents, 3/s\r\x1b[K"


def test_the_rate_is_that_of_the_last_seconds():
    """Documents that passed quickly at first do not make the rest look quick."""
    screen, clock = Screen(terminal=False), Clock()
    progress = Progress(screen, "indexed", 11_000, clock)
    progress.update(10_000)
    for second in range(1, 61):
        clock.now = 100.0 + second
        progress.update(10_000 + second)
    assert screen.getvalue().splitlines()[-1] == "indexed 10,060 of 11,000 documents (91%), 1/s, 15 min 40 s left"


def test_a_step_that_takes_long_shows_for_how_long():
    """Below a step stands its time: in a log as lines from 5 s on, on a terminal as one that the next takes away."""
    shown = {}
    for terminal in (False, True):
        screen, clock = Screen(terminal=terminal), Clock()
        steps = Steps(screen, clock)
        steps.say("first")
        for clock.now in (105.0, 110.0):
            steps.tick()
        steps.say("second")
        clock.now = 111.0
        steps.tick()
        shown[terminal] = screen.getvalue()
    assert shown[False] == "first\n      ... 5 s\n      ... 10 s\nsecond\n"
    clear = "\r\x1b[K"
    times = f"{clear}      ... 5 s{clear}      ... 10 s{clear}"
    assert shown[True] == f"{clear}first\n{times}second\n{clear}      ... 1 s"


def test_steps_end_with_their_block():
    """At the end of a block a terminal's line is free, and nothing writes to it any more."""
    screen = Screen(terminal=True)
    with Steps(screen) as steps:
        steps.say("only")
    assert screen.getvalue().endswith("\r\x1b[K")
    assert not steps._thread.is_alive()


def test_an_error_is_on_a_line_of_its_own():
    """What ends a command takes the line of progress away first, on a terminal."""
    screen, clock = Screen(terminal=True), Clock()
    with contextlib.suppress(OSError), Progress(screen, "checked", None, clock) as progress:
        clock.now += 1
        progress.update(3)
        raise OSError("disk")
    assert screen.getvalue().endswith("checked 3 documents, 3/s\r\x1b[K")
