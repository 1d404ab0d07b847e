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


@pytest.mark.parametrize(
    ("processor", "expected"),
    [("A avx2", True), ("A avx2 avx512f avx512_vnni", False), ("A avx2 avx_vnni", False), ("A asimddp", False)],
)
def test_where_int8_saturates(processor: str, *, expected: bool):
    """Sums of int8 products saturate on x86 without VNNI, and on no other processor."""
    assert cores.saturates(processor) == expected


X86 = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz
flags\t\t: fpu sse2 avx2 avx512f avx512bw avx512_vnni hypervisor
vmx flags\t: vnmi amx_int8
bugs\t\t: spectre_v1

processor\t: 1
model name\t: a second one
flags\t\t: fpu
"""
ARM = """\
processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd asimddp sve i8mm bf16
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""


def test_an_x86_processor(tmp_path: Path):
    """The first core's name and those of its flags that decide a variant's speed, in one order whatever Linux's."""
    path = tmp_path / "cpuinfo"
    path.write_text(X86)
    expected = "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz avx2 avx512f avx512_vnni"
    assert cores.processor(path) == expected
    path.write_text(X86.replace("sse2 avx2 avx512f", "avx512f sse2 avx2"))
    assert cores.processor(path) == expected


def test_an_arm_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Arm's cores have features and no name, for which the machine's kind stands in."""
    monkeypatch.setattr(cores.platform, "processor", lambda: "")
    monkeypatch.setattr(cores.platform, "machine", lambda: "aarch64")
    path = tmp_path / "cpuinfo"
    path.write_text(ARM)
    assert cores.processor(path) == "aarch64 asimddp i8mm bf16"


@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind\n", b"model name\t: \xff\n"])
def test_a_processor_that_linux_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None):
    """Where the file is missing, empty or unreadable, what Python knows of the platform is the name."""
    monkeypatch.setattr(cores.platform, "processor", lambda: "arm")
    path = tmp_path / "cpuinfo"
    if content is not None:
        path.write_bytes(content)
    assert cores.processor(path) == "arm"
