"""A server of one's own, and what its process takes: memory, processor time, slots. Reads /proc: Linux only."""

import contextlib
import os
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from shortlist.bench import local

_HOST = "127.0.0.1"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy leads back to this machine
_TICKS = os.sysconf("SC_CLK_TCK")
_USER_TICKS, _SYSTEM_TICKS = 11, 12  # fields of /proc/PID/stat behind the command's name


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server used since its start, and holds now."""

    at_s: float  # when; of a monotonic clock
    cpu_s: float  # of the whole process
    slots: int
    busy_s: float  # of all slots together
    rss_bytes: int
    cache_bytes: int  # about what its caches take


@dataclass(frozen=True, slots=True)
class Shares:
    """What a server used between two moments, a second."""

    cores: float
    slots: float  # that ran something


class Watched:
    """A running server whose resources are watched."""

    def __init__(self, pid: int, address: str, metrics_port: int, start_s: float) -> None:
        """Watch a server that listens; `start_s` is how long its start took."""
        self.address = address
        self.start_s = start_s
        self._process = Path("/proc", str(pid))
        self._metrics = f"http://{_HOST}:{metrics_port}/metrics"

    def rss_bytes(self) -> int:
        """Return the resident memory."""
        return resident_bytes(int(self._process.name))

    def threads(self) -> int:
        """Return how many threads there are."""
        return _status(self._process, "Threads:")

    def open_files(self) -> int:
        """Return how many files and sockets are open."""
        return len(list((self._process / "fd").iterdir()))

    def usage(self) -> Usage:
        """Return what the server used so far; asks its metrics, some milliseconds of work for it."""
        fields = (self._process / "stat").read_text().rpartition(")")[2].split()
        with _DIRECT.open(self._metrics) as response:
            families = {one.name: one for one in text_string_to_metric_families(response.read().decode())}
        return Usage(
            at_s=time.monotonic(),
            cpu_s=(int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICKS,
            slots=round(families["shortlist_slots"].samples[0].value),
            busy_s=sum(one.value for one in families["shortlist_slots_busy_seconds"].samples),
            rss_bytes=self.rss_bytes(),
            cache_bytes=round(sum(one.value for one in families["shortlist_cache_bytes"].samples)),
        )


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return _status(Path("/proc", str(pid)), "VmRSS:") << 10


def _status(process: Path, name: str) -> int:
    (line,) = (one for one in (process / "status").read_text().splitlines() if one.startswith(name))
    return int(line.split()[1])


def between(before: Usage, after: Usage) -> Shares:
    """Return what was used between two moments."""
    seconds = after.at_s - before.at_s
    return Shares((after.cpu_s - before.cpu_s) / seconds, (after.busy_s - before.busy_s) / seconds)


@contextlib.contextmanager
def serving(*options: str) -> Iterator[Watched]:
    """Run `shortlist serve` with these options and metrics, and stop it at the end.

    Raises:
        UsageError: it ended before it listened; its own message is on standard error.
    """
    port, began_s = local.free_port(), time.monotonic()
    with local.start([*options, "--host", _HOST, "--metrics-port", str(port)]) as process:
        address = local.address(process)
        try:
            yield Watched(process.pid, address, port, time.monotonic() - began_s)
        finally:
            process.terminate()
