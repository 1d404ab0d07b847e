"""The cores that a container grants, from the cgroup's files."""

import os
from pathlib import Path

import pytest

from shortlist.server import cores

GRANTED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", GRANTED),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("99900000 100000", GRANTED),
        ("garbage", GRANTED),
    ],
)
def test_cgroup_v2(tmp_path: Path, quota: str, expected: int):
    """cpu.max bounds the affinity mask, never below one core; an unreadable file bounds nothing."""
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    assert cores.usable(cgroup_v2=path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", GRANTED), ("100000", 1)])
def test_cgroup_v1(tmp_path: Path, quota: str, expected: int):
    """Where there is no cpu.max, the older pair of files counts."""
    (tmp_path / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu.cfs_period_us").write_text("100000")
    assert cores.usable(cgroup_v2=tmp_path / "missing", cgroup_v1=tmp_path) == expected


def test_no_cgroup(tmp_path: Path):
    """Without any cgroup file the affinity mask decides."""
    assert cores.usable(cgroup_v2=tmp_path / "missing", cgroup_v1=tmp_path) == GRANTED


def test_what_a_core_can_do(tmp_path: Path):
    """The first core's flags are read, and none where Linux does not say."""
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert cores.flags(path) == {"fpu", "avx512_bf16"}
    assert cores.flags(tmp_path / "nothing") == frozenset()
