"""Which variant runs: by name, by what the collections were made with, or by the speed that export measured."""

import logging
from pathlib import Path

import pytest
from msgspec.structs import replace

from shortlist.server import cores
from shortlist.server.errors import BundleError
from shortlist.server.runtime.manifest import Variant
from shortlist.server.runtime.variant_selection import AUTO, Timings, choose
from shortlist.server.settings import Provider
from timed_bundles import THREE, bundle, timed_nothing, variant


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
