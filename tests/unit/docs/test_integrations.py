"""Each integration is a distribution of its own, held to the one that it belongs to."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[3]
FOLDERS = sorted(path.parent for path in (ROOT / "integrations").glob("*/pyproject.toml"))


def project(folder: Path) -> dict:
    """Return what a folder's distribution says of itself."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(folder: Path) -> list[Requirement]:
    """Return what a distribution and its tests need."""
    found = project(folder)
    return [Requirement(one) for one in [*found["dependencies"], *found["optional-dependencies"]["test"]]]


def pins(folder: Path) -> dict[str, str]:
    """Return the versions that its tests run with."""
    lines = (folder / "constraints.txt").read_text(encoding="utf-8").splitlines()
    named = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, version in named}


def canonical(name: str) -> str:
    """Return a distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    """Return the folder of one integration."""
    return request.param


def test_there_are_integrations():
    """The tests below are about something."""
    assert FOLDERS


def test_its_version_is_shortlists(folder: Path):
    """Version, Python, licence and the kind of package agree with Shortlist's."""
    own, main = project(folder), project(ROOT)
    for key in ("version", "requires-python", "license", "license-files"):
        assert own[key] == main[key], key
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert list(folder.rglob("py.typed"))


def test_it_needs_shortlist_as_it_is_here(folder: Path):
    """It takes this version and those with its interface, and nothing of Shortlist but the client."""
    (needed,) = (one for one in requirements(folder) if one.name == "shortlist")
    version = Version(project(ROOT)["version"])
    assert needed.extras == set()
    assert needed.specifier.contains(version)
    assert {(one.operator, one.version) for one in needed.specifier} == {
        (">=", str(version)),
        ("<", f"{version.major}.{version.minor + 1}"),
    }


def test_its_pins_meet_what_it_needs(folder: Path):
    """Its environment can be made, and what it shares with Shortlist's own tests has the same versions."""
    own, main = pins(folder), pins(ROOT)
    for needed in requirements(folder):
        if needed.name != "shortlist":
            assert needed.specifier.contains(own[canonical(needed.name)]), needed
    for needed in project(ROOT)["dependencies"]:
        name = canonical(Requirement(needed).name)
        assert own[name] == main[name]
