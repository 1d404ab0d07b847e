"""How many cores this process may really use.

onnxruntime and `os.cpu_count` look at the host; a container is bounded by its cgroup's quota and its affinity mask.
"""

import os
from pathlib import Path

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


def usable(cgroup_v2: Path = _CGROUP_V2, cgroup_v1: Path = _CGROUP_V1) -> int:
    """Return the cores that affinity and cgroup quota grant, at least one."""
    granted = len(os.sched_getaffinity(0))
    quota = _quota(cgroup_v2, cgroup_v1)
    return granted if quota is None else max(1, min(granted, int(quota)))


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
