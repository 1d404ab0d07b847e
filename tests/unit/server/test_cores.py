"""The cores that a container or a systemd unit grants, from what Linux tells of a process."""

from pathlib import Path

import pytest

from shortlist.server import cores

V2 = "cgroup2 cgroup2 rw,nsdelegate"
V1 = "cgroup cgroup rw,cpu,cpuacct"


def process(folder: Path, path: str, *, kind: str = V2, root: str = "/", **quotas: str) -> Path:
    """Describe a process in a cgroup as Linux does, and return where.

    Args:
        folder: an empty one.
        path: the process's cgroup, as `/proc/self/cgroup` has it.
        kind: of the hierarchy, as mountinfo ends.
        root: which cgroup of the hierarchy is mounted.
        quotas: what `cpu.max` holds, or `cpu.cfs_quota_us`, by cgroup from the mount (`top` is the mount itself, and
            `a__b` lies below `a`).
    """
    mount = folder / "sys fs"
    for name, quota in quotas.items():
        group = mount if name == "top" else mount.joinpath(*name.split("__"))
        group.mkdir(parents=True, exist_ok=True)
        if kind == V2:
            (group / "cpu.max").write_text(f"{quota}\n")
        else:
            (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
            (group / "cpu.cfs_period_us").write_text("100000\n")
    (folder / "cgroup").write_text(f"0::{path}\n" if kind == V2 else f"5:memory:/m\n4:cpu,cpuacct:{path}\n0::/u\n")
    escaped = str(mount).replace(" ", r"\040")
    others = "22 1 0:21 / /proc rw - proc proc rw\n30 1 0:9 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    (folder / "mountinfo").write_text(f"{others}31 23 0:28 {root} {escaped} rw,relatime shared:9 - {kind}\n")
    return folder


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the affinity mask grant eight cores on any machine."""
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 8),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("350000 100000", 3),
        ("99900000 100000", 8),
        ("garbage", 8),
        ("100000 0", 8),
    ],
)
def test_cgroup_v2(tmp_path: Path, quota: str, expected: int):
    """cpu.max bounds the affinity mask, never below one core; an unreadable file bounds nothing."""
    assert cores.usable(process(tmp_path, "/", top=quota)) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3)])
def test_cgroup_v1(tmp_path: Path, quota: str, expected: int):
    """In the older hierarchies the quota and its period are two files of the one that bounds CPU time."""
    assert cores.usable(process(tmp_path, "/", kind=V1, top=quota)) == expected


@pytest.mark.parametrize(("kind", "end"), [(V2, " 100000"), (V1, "")])
def test_a_nested_cgroup(tmp_path: Path, kind: str, end: str):
    """A unit's own quota counts, and so does that of the slice around it: the least along the path."""
    unbounded = "max 100000" if kind == V2 else "-1"
    path, quotas = "/system.slice/shortlist.service", {"shortlist": f"200000{end}", "slice": f"500000{end}"}
    for name, (inner, outer, expected) in {
        "inner": (quotas["shortlist"], unbounded, 2),
        "outer": (unbounded, quotas["slice"], 5),
        "both": (quotas["shortlist"], quotas["slice"], 2),
        "wide": (f"600000{end}", quotas["slice"], 5),
        "none": (unbounded, unbounded, 8),
    }.items():
        (tmp_path / name).mkdir()
        described = process(
            tmp_path / name,
            path,
            kind=kind,
            **{"top": unbounded, "system.slice": outer, "system.slice__shortlist.service": inner},
        )
        assert cores.usable(described) == expected, name


def test_a_controller_that_is_not_everywhere(tmp_path: Path):
    """Without `cpu.max` in the innermost cgroup (its controller is not delegated), those around it count."""
    described = process(tmp_path, "/user.slice/user@1000.service/app/it", **{"user.slice": "200000 100000"})
    assert cores.usable(described) == 2


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/docker/f00d", "/docker/f00d"),  # the host's namespace, and the container's part of the hierarchy
        ("/", "/"),  # a namespace of its own
        ("/../..", "/"),  # moved out of its namespace
        ("/docker/f00d", "/docker/beef"),  # another part than its own
    ],
)
def test_a_container(tmp_path: Path, path: str, root: str):
    """In a container the mount shows the container's own cgroup, whatever its name outside."""
    described = process(tmp_path, path, root=root, top="200000 100000", docker__f00d="100000 100000")
    assert cores.usable(described) == 2


def test_a_cgroup_inside_a_container(tmp_path: Path):
    """A process that was put deeper inside its container is bounded there too."""
    described = process(tmp_path, "/pods/c/deep", root="/pods/c", kind=V1, top="500000", deep="300000")
    assert cores.usable(described) == 3


def test_no_cgroup(tmp_path: Path):
    """Where Linux tells of no cgroup the affinity mask decides."""
    assert cores.usable(tmp_path / "missing") == 8
    (tmp_path / "cgroup").write_text("")
    (tmp_path / "mountinfo").write_text("")
    assert cores.usable(tmp_path) == 8


def test_this_process():
    """This process's own cgroups can be read."""
    assert 1 <= cores.usable() <= 8


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
