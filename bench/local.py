"""A server of one's own for a demo, a measurement or a test: started on a free port, stopped at the end."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from shortlist.console.errors import UsageError

SHORTLIST = str(Path(sys.executable).with_name("shortlist"))


class Process(subprocess.Popen[str]):
    """A process that ends with the `with` block that uses it, whatever happens there."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait until it has ended; where the block failed, which may be why nobody ended it, kill it first."""
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, traceback)


@contextlib.contextmanager
def serving(*options: str) -> Iterator[str]:
    """Run `shortlist serve` with these options and yield its address; stop it as an operator would, with SIGTERM.

    Raises:
        UsageError: it ended before it listened; its own message is on standard error.
    """
    with start(options) as process:
        try:
            yield address(process)
        finally:
            process.terminate()


@contextlib.contextmanager
def fresh(*options: str) -> Iterator[str]:
    """Run a server as `serving` does, with a data folder that is removed at the end.

    Raises:
        UsageError: as `serving`.
    """
    with tempfile.TemporaryDirectory(prefix="shortlist-bench-") as data, serving(*options, "--data", data) as address:
        yield address


def start(options: Sequence[str]) -> Process:
    """Start `shortlist serve` on a free port and return at once; settings in the environment do not reach it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHORTLIST_")}
    environment["SHORTLIST_PORT"] = "0"  # a --port among the options comes before it
    command = [SHORTLIST, "serve", *options]
    # In a process group of its own: Ctrl-C is for this process, which stops the server when it needs it no more.
    return Process(command, stdout=subprocess.PIPE, text=True, env=environment, process_group=0)


def address(process: Process) -> str:
    """Wait until a started server listens, and return its address.

    Raises:
        UsageError: it ended before; its own message is on standard error.
    """
    announced = process.stdout.readline() if process.stdout else ""
    if not announced.startswith("listening on "):
        raise UsageError(f"the server ended with exit code {process.wait()} before it listened; it says above why")
    return announced.split()[-1]


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody has now, for a server that does not tell which one it took."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
