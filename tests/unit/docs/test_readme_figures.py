"""What the README shows is what docs/benchmarks.md has, it is short, and it names nothing outside the repository."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_speed_with_and_without_vnni():
    """Both figures stand in the README beside what they depend on, as they were measured."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    table = benchmarks.partition("## Beside its peers")[2]
    (measured,) = re.findall(
        r"^\| Shortlist \|.*\| (\d+\.\d) \(\d+\.\d to \d+\.\d\) \| \d+\.\d \|$", table, re.MULTILINE
    )
    without = benchmarks.partition("## Processors without VNNI")[2].partition("\n## ")[0]
    (older,) = re.findall(r"^`make peers` there .*: (\d+) pairs/s with 8 clients", without, re.MULTILINE)
    said = re.findall(r"\*\*(\d+) pairs a second\*\*", readme)
    assert said == [str(round(float(measured))), older]
    assert readme.index("VNNI") < readme.index(f"**{said[0]} pairs")


def test_it_is_short_and_of_this_repository():
    """The README has less than 150 lines, its links and pictures are there, and no path leads out."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) < 150
    for name, _, anchor in (target.partition("#") for target in re.findall(r"\]\(([^)]*)\)", readme)):
        path = ROOT / (name or "README.md")
        assert path.is_file(), name
        assert not anchor or anchor in _anchors(path.read_text(encoding="utf-8"))
    assert "../" not in readme


def _anchors(text: str) -> set[str]:
    """Return what links to a page's headings end in, as GitHub makes it of them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_quality_of_the_stages():
    """Both stages' nDCG@10 are those of docs/benchmarks.md."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    (row,) = re.findall(
        r"^\| `models/default-reranker`, `int8-token`, similarity's weight .* \| (0\.\d+) \| (0\.\d+) \|$",
        benchmarks,
        re.MULTILINE,
    )
    (hybrid,) = re.findall(r"^\| hybrid \| 0\.\d+ \| 0\.\d+ \| \d\.\d% \| (0\.\d+) \|", benchmarks, re.MULTILINE)
    found = r"find is (0\.\d+), and after stage two (0\.\d+); with words .* \*\*(0\.\d+)\*\*"
    (said,) = re.findall(found, " ".join(readme.split()))
    assert said == (*row, hybrid)
