"""The tables of docs/clients.md are those that `make test-clients` makes of today's tests and versions."""

import ast
import re
from pathlib import Path

import pytest

import recorded_bodies

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
FOLDERS = [folder.parent for folder in sorted((ROOT / "tests" / "clients").glob("*/requirements.txt"))]


def rows(part: str) -> dict[str, list[str]]:
    """Return the cells of each row of a table by its first one."""
    table = PAGE.partition(f"<!-- made by make test-clients: {part} -->\n")[2].partition("<!-- end -->")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {first: rest for first, *rest in cells}


def said(folder: Path) -> set[str]:
    """Return what the tests of a folder say that they do."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("test_*.py")]
    tests = [one for tree in trees for one in tree.body if getattr(one, "name", "").startswith("test_")]
    return {" ".join((ast.get_docstring(one) or "").split()) for one in tests}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_versions(folder):
    """Each client's version is the one that its environment is made with, or the day of a product's source."""
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (folder / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    recorded = (*recorded_bodies.RERANKS, *recorded_bodies.EMBEDS, *recorded_bodies.LOOKUPS)
    expected = pins | {one.product: one.version for one in recorded}
    found = rows(folder.name)
    assert found
    for name, (version, *_) in found.items():
        assert version == expected[name.replace("_", "-") if name not in expected else name], name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_was_run(folder):
    """What the table says was run is what the tests say that they do, all of them and no other."""
    run = " ".join(cells[-1] for cells in rows(folder.name).values())
    for each in said(folder):
        assert each in run
    for each in sorted(said(folder), key=len, reverse=True):
        run = run.replace(each, "")
    assert not run.strip()
