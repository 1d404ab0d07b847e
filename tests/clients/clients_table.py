"""The tables of docs/clients.md, made of the tests that passed.

A row is a client: its version, how it is pointed here, what was run. `--part NAME` writes the table of that name once
all tests have passed; a test of the documentation holds the page to the tests that there are, and to the versions
that are installed.
"""

from importlib import metadata
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
_HEAD = "| client | version | what its user sets | what was run |\n|---|---|---|---|\n"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the name of the table that this run makes."""
    parser.addoption("--part", help="table of docs/clients.md that this run writes, if all passes")


class Table:
    """The tests that passed, by client."""

    def __init__(self, part: str) -> None:
        """Have no rows yet."""
        self._part = part
        self._rows: dict[tuple[str, str], dict[str, None]] = {}  # client and version; how it is pointed; what was run
        self._run: dict[tuple[str, str], dict[str, None]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo):
        """Note a test that passed."""
        report = yield
        mark = item.get_closest_marker("client")
        if mark is None:
            raise pytest.UsageError(f"{item.nodeid} does not say whose client it runs: pytest.mark.client")
        if report.passed and call.when == "call":
            name = mark.args[0]
            key = (name, mark.kwargs.get("version") or metadata.version(name))
            self._rows.setdefault(key, {})[mark.kwargs["points"]] = None
            self._run.setdefault(key, {})[described(item.function.__doc__)] = None
        return report

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the table."""
        if exitstatus != pytest.ExitCode.OK:
            return
        rows = [
            f"| {name} | {version} | {'; '.join(points)} | {' '.join(self._run[name, version])} |\n"
            for (name, version), points in sorted(self._rows.items(), key=lambda row: row[0][0].lower())
        ]
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin(self._part))
        _, end, after = rest.partition("<!-- end -->")
        PAGE.write_text(before + begin(self._part) + _HEAD + "".join(rows) + end + after, encoding="utf-8")


def begin(part: str) -> str:
    """Return the line above a table."""
    return f"<!-- made by make test-clients: {part} -->\n"


def described(docstring: str | None) -> str:
    """Return what a test says that it does, as a cell holds it."""
    return " ".join((docstring or "").split()).replace("|", r"\|")


def pytest_configure(config: pytest.Config) -> None:
    """Make the table, where one is asked for."""
    if part := config.getoption("--part"):
        config.pluginmanager.register(Table(part))
