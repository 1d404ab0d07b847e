"""The README's speed is that of docs/benchmarks.md, for both kinds of processors."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
