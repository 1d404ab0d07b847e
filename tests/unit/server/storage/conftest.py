"""An empty collection."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.server.storage.collection import Collection
from tiny_collections import create


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """Return an empty collection."""
    made = create(tmp_path / "c")
    yield made
    made.close()
