"""How many cores this process may really use, and what they can do.

onnxruntime and `os.cpu_count` look at the host; a container is bounded by its cgroup's quota and its affinity mask.
"""

import os
import platform
from pathlib import Path

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")
_CPUINFO = Path("/proc/cpuinfo")
# The instructions that decide which variant is fastest: int8 and bfloat16 products, and how wide a register is.
_FLAGS = (
    *("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16"),
)


def usable(cgroup_v2: Path = _CGROUP_V2, cgroup_v1: Path = _CGROUP_V1) -> int:
    """Return the cores that affinity and cgroup quota grant, at least one."""
    granted = len(os.sched_getaffinity(0))
    quota = _quota(cgroup_v2, cgroup_v1)
    return granted if quota is None else max(1, min(granted, int(quota)))


def flags(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Return the instruction sets that the first core has, by Linux's names; none where Linux does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    named = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(named, "").split())


def _quota(cgroup_v2: Path, cgroup_v1: Path) -> float | None:
    """Return the cores that the cgroup's CPU time is worth, or None where it is unbounded."""
    try:
        if cgroup_v2.is_file():
            quota, period = cgroup_v2.read_text().split()
        else:
            quota = (cgroup_v1 / "cpu.cfs_quota_us").read_text()
            period = (cgroup_v1 / "cpu.cfs_period_us").read_text()
        return None if quota == "max" or int(quota) < 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def processor(cpu_info: Path = _CPUINFO) -> str:
    """Return the processor's name and those of its instructions that decide which variant is fastest."""
    told = _told(cpu_info)
    flags = (told.get("flags") or told.get("Features") or "").split()
    return " ".join([model_name(cpu_info), *(flag for flag in _FLAGS if flag in flags)])


def saturates(processor: str) -> bool:
    """Return whether sums of int8 products saturate on a processor, as `processor` names it.

    x86 adds pairs of them in 16 bits where it has no VNNI (onnxruntime issues 6004, 14642), and a byte of 0 to 255
    times one of -128 to 127, twice, is more. x86 from before AVX2 is not told from others.
    """
    return "avx" in processor and "vnni" not in processor


def saturates_here(made_on: str) -> bool:
    """Return whether int8 sums saturate on this processor that did not on the one where they were judged."""
    return saturates(processor()) and not saturates(made_on)


def model_name(cpu_info: Path = _CPUINFO) -> str:
    """Return the processor's name alone."""
    return _told(cpu_info).get("model name") or platform.processor() or platform.machine()


def _told(cpu_info: Path) -> dict[str, str]:
    """Return what Linux says of the first core, by name; nothing where it says nothing."""
    try:
        lines = cpu_info.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
