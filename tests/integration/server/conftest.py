"""A server that a test starts itself."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def options(tiny, tmp_path: Path) -> list[str]:
    """Return the options of a sound server on copies of the bundles, which a test may damage."""
    for name, bundle in (("embedder", tiny.embedder), ("reranker", tiny.reranker)):
        shutil.copytree(bundle, tmp_path / name)
    models = ["--embedder", str(tmp_path / "embedder"), "--reranker", str(tmp_path / "reranker")]
    return [*models, "--data", str(tmp_path / "data")]
