"""Which variant runs where its speed is unknown: each is timed once, and the figures are kept."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from shortlist.server import cores
from shortlist.server.runtime import variant_selection, variant_timings
from shortlist.server.runtime.manifest import File
from shortlist.server.runtime.variant_selection import AUTO, Timings, choose
from shortlist.server.runtime.variant_timings import Run
from timed_bundles import THREE, bundle, timed_nothing, variant

ELSEWHERE = "another processor"


class Machine:
    """A machine whose variants take as long as the test says, by a clock of its own; it counts the loads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes: Mapping[str, int]) -> None:
        self.loaded: list[str] = []
        self.takes = dict(takes)
        self._now = 0
        monkeypatch.setattr(variant_timings.time, "perf_counter_ns", lambda: self._now)

    def load(self, name: str) -> Run:
        self.loaded.append(name)

        def run(tokens: int) -> None:
            self._now += self.takes[name] * tokens

        return run


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine on which int8-token is the fastest, unlike export's."""
    return Machine(monkeypatch, {"fp32": 300, "int8": 200, "int8-token": 100})


@pytest.mark.parametrize(("flags", "expected"), [({"avx512_bf16"}, "bf16"), ({"avx512f"}, "fp32")])
def test_auto_takes_bf16_where_the_cpu_has_it(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch, flags: set[str], expected: str
):
    """fp32's graph run in bf16 is chosen by its speed, on a CPU that computes so; elsewhere it is not even timed."""
    monkeypatch.setattr(cores, "flags", lambda: frozenset(flags))
    fp32 = variant("fp32", 3)
    one = bundle(tmp_path, {"fp32": fp32, "bf16": replace(fp32, precision="bf16", providers=("openvino",))})
    machine.takes |= {"bf16": 100}
    assert choose(one, AUTO, "openvino", (), Timings(tmp_path / "t"), machine.load) == expected
    assert machine.loaded == (["fp32", "bf16"] if expected == "bf16" else [])


@pytest.mark.parametrize(("processor", "provider"), [(ELSEWHERE, "cpu"), (None, "openvino")])
def test_what_was_timed_elsewhere_is_timed_once(
    tmp_path: Path, machine: Machine, processor: str | None, provider: str
):
    """On another processor or provider every candidate is loaded and timed; a second start remembers the figures."""
    one = bundle(tmp_path, THREE, processor)
    path = tmp_path / "data" / "timings.json"
    assert choose(one, AUTO, provider, (), Timings(path), machine.load) == "int8-token"
    assert machine.loaded == list(THREE)
    assert [entry.name for entry in path.parent.iterdir()] == ["timings.json"]
    (times,) = json.loads(path.read_text()).values()
    assert times == {"fp32": {"16": 300}, "int8": {"16": 200}, "int8-token": {"16": 100}}
    assert choose(one, AUTO, provider, (), Timings(path), timed_nothing) == "int8-token"


def test_figures_of_one_provider_are_not_anothers(tmp_path: Path, machine: Machine):
    """Each provider is timed for itself, and both are remembered."""
    one = bundle(tmp_path, THREE, ELSEWHERE)
    path = tmp_path / "timings.json"
    for provider in ("cpu", "openvino"):
        choose(one, AUTO, provider, (), Timings(path), machine.load)
    assert machine.loaded == [*THREE, *THREE]
    for provider in ("cpu", "openvino"):
        choose(one, AUTO, provider, (), Timings(path), timed_nothing)


def test_a_graph_that_changed_is_timed_again(tmp_path: Path, machine: Machine):
    """Figures are of a file's bytes, so a bundle that was exported again is timed again."""
    path = tmp_path / "timings.json"
    choose(bundle(tmp_path, THREE, ELSEWHERE), AUTO, "cpu", (), Timings(path), machine.load)
    changed = replace(THREE["int8"], files=(File("int8.onnx", "f" * 64, 1),))
    choose(bundle(tmp_path, {**THREE, "int8": changed}, ELSEWHERE), AUTO, "cpu", (), Timings(path), machine.load)
    assert machine.loaded == [*THREE, *THREE]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"null",
        b"[" * 200_000,
        b'{"KEY": 5}',
        b'{"KEY": {"fp32": {"16": 1}}}',
        b'{"KEY": {"fp32": 1, "int8": 1, "int8-token": 1}}',
        b'{"KEY": {"fp32": {}, "int8": {}, "int8-token": {}}}',
        b'{"KEY": {"fp32": {"16": "1"}, "int8": {"16": 1}, "int8-token": {"16": 1}}}',
        b'{"KEY": {"fp32": {"16": -1}, "int8": {"16": 1}, "int8-token": {"16": 1}}}',
        b'{"KEY": {"fp32": {"16": NaN}, "int8": {"16": 1}, "int8-token": {"16": 1}}}',
    ],
)
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, machine: Machine, content: bytes):
    """Whatever is in the file, figures that are no figures are measured again, and then it is whole."""
    one = bundle(tmp_path, THREE, ELSEWHERE)
    path = tmp_path / "timings.json"
    choose(one, AUTO, "cpu", (), Timings(path), machine.load)
    (key,) = json.loads(path.read_text())
    path.write_bytes(content.replace(b'"KEY"', json.dumps(key).encode()))
    machine.loaded.clear()
    assert choose(one, AUTO, "cpu", (), Timings(path), machine.load) == "int8-token"
    assert machine.loaded == list(THREE)
    assert choose(one, AUTO, "cpu", (), Timings(path), timed_nothing) == "int8-token"


def test_a_folder_that_cannot_be_written_is_a_warning(
    tmp_path: Path, machine: Machine, caplog: pytest.LogCaptureFixture
):
    """Where figures cannot be kept, the choice stands, and the log says that the next start measures again."""
    (tmp_path / "data").write_text("a file where the folder should be")
    path = tmp_path / "data" / "timings.json"
    one = bundle(tmp_path, THREE, ELSEWHERE)
    assert choose(one, AUTO, "cpu", (), Timings(path), machine.load) == "int8-token"
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.name == variant_selection.__name__
    assert warning.getMessage().startswith(f"{path} cannot be written (")
    assert warning.getMessage().endswith("): the next start times the variants again")


def test_manifests_without_figures_are_timed(tmp_path: Path, machine: Machine):
    """Variants that export did not time are timed here, on its processor too."""
    untimed = {name: replace(one, ns_per_token={}) for name, one in THREE.items()}
    chosen = choose(bundle(tmp_path, untimed), AUTO, "cpu", (), Timings(tmp_path / "timings.json"), machine.load)
    assert (chosen, machine.loaded) == ("int8-token", list(THREE))
