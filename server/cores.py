"""How many cores this process may really use, and what they can do.

onnxruntime and `os.cpu_count` look at the host; a container or a systemd unit is bounded by its affinity mask and by
the CPU quotas of its cgroup and of every cgroup around it, of which the least counts.
"""

import os
import platform
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_SELF = Path("/proc/self")
_CPUINFO = Path("/proc/cpuinfo")
# The instructions that decide which variant is fastest: int8 and bfloat16 products, and how wide a register is.
_FLAGS = (
    *("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16"),
)
_GIVEN_WAY = 5  # steps of niceness, each of which is a quarter less of the processor
_OCTAL = re.compile(r"\\(\d{3})")  # how mountinfo writes spaces and the like


def usable(process: Path = _SELF) -> int:
    """Return the cores that affinity and cgroup quotas grant, at least one.

    Args:
        process: where Linux describes this process.
    """
    granted = len(os.sched_getaffinity(0))
    quotas = (_quota(folder) for folder in _cgroups(process))
    return max(1, min([granted, *(int(cores) for cores in quotas if cores is not None)]))


def give_way() -> None:
    """Let the calling thread have about a quarter of a core where others want all, and whatever they leave."""
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _GIVEN_WAY))


def flags(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Return the instruction sets that the first core has, by Linux's names; none where Linux does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    named = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(named, "").split())


def _cgroups(process: Path) -> Iterator[Path]:
    """Yield the folders of the cgroups that may bound this process's CPU time, innermost first, as far as it sees.

    proc(5) and cgroups(7): a hierarchy's line in `cgroup` is ID:CONTROLLERS:PATH, with no controllers in version 2.
    PATH counts from the root of the process's cgroup namespace, and a mount may show a part of the hierarchy only.
    """
    try:
        lines = (process / "cgroup").read_text(encoding="utf-8").splitlines()
        mounts = (process / "mountinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return
    paths = dict(line.split(":", 2)[1:] for line in lines)
    for mount in mounts:
        fields, _, source = mount.partition(" - ")
        kind, _, options = source.partition(" ")
        if kind == "cgroup2":
            path = paths.get("")
        elif kind == "cgroup" and "cpu" in options.rpartition(" ")[2].split(","):
            path = next((path for controllers, path in paths.items() if "cpu" in controllers.split(",")), None)
        else:
            continue
        if path is not None:
            root, point = (_unescaped(field) for field in fields.split(" ")[3:5])
            yield from _upwards(Path(point), _below(path, root))


def _below(path: str, root: str) -> PurePosixPath:
    """Return a cgroup's path below a mount's root; `.` if it lies elsewhere, as in another namespace (`/..`)."""
    found, above = PurePosixPath(path), PurePosixPath(root)
    inside = found.is_relative_to(above) and ".." not in found.parts
    return found.relative_to(above) if inside else PurePosixPath()


def _upwards(mount: Path, path: PurePosixPath) -> Iterator[Path]:
    for each in (path, *path.parents):  # ends with "."
        yield mount / each


def _unescaped(field: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)


def _quota(folder: Path) -> float | None:
    """Return the cores that a cgroup's CPU time is worth, or None where it is unbounded."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return None if quota == "max" or int(quota) < 0 else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def processor(cpu_info: Path = _CPUINFO) -> str:
    """Return the processor's name and those of its instructions that decide which variant is fastest."""
    fields = _fields(cpu_info)
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return " ".join([model_name(cpu_info), *(flag for flag in _FLAGS if flag in flags)])


def saturates(processor: str) -> bool:
    """Return whether sums of int8 products saturate on a processor, as `processor` names it.

    x86 adds pairs of them in 16 bits where it has no VNNI (onnxruntime issues 6004, 14642), and a byte of 0 to 255
    times one of -128 to 127, twice, is more. An x86 processor from before AVX2 is taken for one that does not
    saturate.
    """
    return "avx" in processor and "vnni" not in processor


def saturates_here(made_on: str) -> bool:
    """Return whether int8 sums saturate on this processor that did not on the one where they were judged."""
    return saturates(processor()) and not saturates(made_on)


def model_name(cpu_info: Path = _CPUINFO) -> str:
    """Return the processor's name alone."""
    return _fields(cpu_info).get("model name") or platform.processor() or platform.machine()


def _fields(cpu_info: Path) -> dict[str, str]:
    """Return what Linux says of the first core, by name; empty if it says nothing."""
    try:
        lines = cpu_info.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
