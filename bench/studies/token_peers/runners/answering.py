"""Calls as lines of JSON: one in, one out, with the seconds that the call took and those of the processor's.

Imported by files that other environments run: the standard library alone.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Libraries print, some as they are imported, which follows this module's import: answers stand alone.
_ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def serve(version: str, calls: Mapping[str, Callable[..., Any]]) -> None:
    """Say which version this is, and answer calls until standard input ends.

    Args:
        version: of what answers.
        calls: by name; their results are what JSON has.
    """
    _answer(version)
    for line in sys.stdin:
        asked = json.loads(line)
        call = calls[asked.pop("call")]
        began, cpu = time.perf_counter(), _cpu_s()
        result = call(**asked)
        told = {"result": result, "wall_s": time.perf_counter() - began, "cpu_s": _cpu_s() - cpu}
        _answer(told)


def taken(folder: Path) -> dict[str, float]:
    """Return what a folder takes on disk and this process in memory."""
    (status,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    files = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    return {"disk_bytes": files, "rss_bytes": int(status.split()[1]) << 10}


def _answer(told: Any) -> None:
    print(json.dumps(told), file=_ANSWERS, flush=True)


def _cpu_s() -> float:
    """Return the processor time of this process and of the children that it has seen end."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
