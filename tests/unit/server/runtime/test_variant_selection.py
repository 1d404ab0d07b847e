"""Which variant runs: by name, by what the collections were made with, or by speed, measured where it is unknown."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from shortlist.server import cores
from shortlist.server.errors import BundleError
from shortlist.server.runtime import variant_selection, variant_timings
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.manifest import File, Manifest, Source, Variant
from shortlist.server.runtime.variant_selection import AUTO, Timings, choose
from shortlist.server.runtime.variant_timings import Run
from shortlist.server.settings import Provider

ELSEWHERE = "another processor"


def variant(
    name: str, ns_per_token: float, *, providers: tuple[str, ...] = ("cpu", "openvino"), missed: str = ""
) -> Variant:
    """Describe a variant that takes so long, as export measured it."""
    file = File(f"{name}.onnx", f"{name:0<64}", 1)
    times = {"16": ns_per_token, "48": ns_per_token}
    return Variant((file,), name, ("input_ids",), "embedding", True, providers, {}, missed, times)


def bundle(path: Path, variants: dict[str, Variant], processor: str | None = None) -> Bundle:
    """Return a bundle whose variants were timed on this processor, or on the one that is named."""
    manifest = Manifest(
        kind="embedder",
        source=Source("model", "", "BertModel", "00"),
        max_tokens=48,
        dimensions=8,
        pooling="mean",
        normalized=True,
        query_prefix="",
        document_prefix="",
        pad_token_id=0,
        tokenizer=File("tokenizer.json", "00", 1),
        variants=variants,
        tools={},
        processor=processor or cores.processor(),
        texts="some texts",
    )
    return Bundle(path / "bundle", manifest)


THREE = {"fp32": variant("fp32", 3), "int8": variant("int8", 1), "int8-token": variant("int8-token", 2)}


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


def timed_nothing(name: str) -> Run:
    """Stand in for loading where nothing may be loaded."""
    raise AssertionError(name)


def test_a_name_wins(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The variant that is named runs, though another is faster and the collections have a third."""
    one = bundle(tmp_path, THREE)
    made_with = {one.manifest.fingerprint("int8-token")}
    assert choose(one, "fp32", "cpu", made_with, Timings(tmp_path / "t"), timed_nothing) == "fp32"
    assert caplog.records == []


def test_a_failing_variant_runs_by_name_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """What failed the gate runs if it is named, and the log says what it missed."""
    one = bundle(tmp_path, {**THREE, "int8": variant("int8", 1, missed="top10_overlap 0.9000 is below 0.98")})
    assert choose(one, "int8", "cpu", (), Timings(tmp_path / "t"), timed_nothing) == "int8"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"int8 of {one.path} failed its gate: top10_overlap 0.9000 is below 0.98"


@pytest.mark.parametrize(
    ("name", "provider", "warned"),
    [("int8-token", "openvino", True), ("int8-token", "cpu", False), ("fp32", "openvino", False)],
)
def test_a_verdict_from_a_processor_with_vnni(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    provider: Provider,
    *,
    warned: bool,
):
    """Where export's processor had VNNI and this one has not, int8 is a warning, but where sums are made wider."""
    monkeypatch.setattr(cores, "processor", lambda: "An older one avx2 avx512f")
    one = bundle(tmp_path, THREE, "A newer one avx2 avx512f avx512_vnni")
    assert choose(one, name, provider, (), Timings(tmp_path / "t"), timed_nothing) == name
    assert [
        "judged where sums of int8 products do not saturate" in record.getMessage() for record in caplog.records
    ] == [True] * warned


def test_a_name_that_is_not_there_is_left_to_the_bundle(tmp_path: Path):
    """A variant that the bundle lacks is returned as it is: loading it says what there is."""
    one = bundle(tmp_path, THREE)
    assert choose(one, "fp16", "cpu", (), Timings(tmp_path / "t"), timed_nothing) == "fp16"


def test_auto_takes_the_fastest_that_passed(tmp_path: Path):
    """On export's processor its own figures decide, without a variant that failed and without loading any."""
    timings = Timings(tmp_path / "timings.json")
    assert choose(bundle(tmp_path, THREE), AUTO, "cpu", (), timings, timed_nothing) == "int8"
    failed = {**THREE, "int8": variant("int8", 1, missed="kendall_tau 0.9000 is below 0.97")}
    assert choose(bundle(tmp_path, failed), AUTO, "cpu", (), timings, timed_nothing) == "int8-token"
    assert list(tmp_path.iterdir()) == []


def test_all_lengths_count_for_the_fastest(tmp_path: Path):
    """A variant that is fast at one length only is not the fastest: lengths count alike."""
    lopsided = replace(THREE["int8"], ns_per_token={"16": 0.5, "48": 9.0})
    one = bundle(tmp_path, {"int8-token": THREE["int8-token"], "int8": lopsided})
    assert choose(one, AUTO, "cpu", (), Timings(tmp_path / "t"), timed_nothing) == "int8-token"


def test_auto_takes_what_is_for_the_provider(tmp_path: Path):
    """A variant for another provider is none, though it is faster; one that is left is not timed."""
    one = bundle(tmp_path, {**THREE, "fp16": variant("fp16", 0.1, providers=("cuda", "tensorrt"))})
    assert choose(one, AUTO, "cpu", (), Timings(tmp_path / "t"), timed_nothing) == "int8"
    assert choose(one, AUTO, "cuda", (), Timings(tmp_path / "t"), timed_nothing) == "fp16"


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


@pytest.mark.parametrize("name", list(THREE))
def test_auto_stays_with_what_the_collections_were_made_with(tmp_path: Path, name: str):
    """A fingerprint among those of the collections decides, though another variant is faster."""
    one = bundle(tmp_path, THREE)
    made_with = {"0123456789abcdef", one.manifest.fingerprint(name)}
    assert choose(one, AUTO, "cpu", made_with, Timings(tmp_path / "t"), timed_nothing) == name


def test_fingerprints_of_other_models_decide_nothing(tmp_path: Path):
    """Collections of another embedder leave the choice to speed."""
    one = bundle(tmp_path, THREE)
    assert choose(one, AUTO, "cpu", {"0123456789abcdef"}, Timings(tmp_path / "t"), timed_nothing) == "int8"


@pytest.mark.parametrize(
    "variants",
    [
        {"fp16": variant("fp16", 1, providers=("cuda",))},
        {"int8": variant("int8", 1, missed="kendall_tau 0.9000 is below 0.97")},
    ],
)
def test_no_variant_to_choose_is_refused(tmp_path: Path, variants: dict[str, Variant]):
    """Where none passed for the provider, the message names provider, variants and remedy."""
    (name,) = variants
    with pytest.raises(
        BundleError, match=f"has no variant for provider cpu that passed its gate: it has {name}; export it with"
    ):
        choose(bundle(tmp_path, variants), AUTO, "cpu", (), Timings(tmp_path / "t"), timed_nothing)


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
