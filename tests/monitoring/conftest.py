"""A Prometheus of Debian's package; `make test-monitoring` fetches it, and without it these tests are skipped."""

from pathlib import Path

import pytest

BINARIES = Path(__file__).parents[2] / ".prometheus" / "usr" / "bin"


@pytest.fixture(scope="session")
def binaries() -> Path:
    """Return the folder of `prometheus` and `promtool`."""
    if not (BINARIES / "promtool").is_file():
        pytest.skip("no Prometheus in .prometheus/: `make test-monitoring` fetches it")
    return BINARIES
