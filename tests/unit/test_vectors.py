"""The index's module beside onnxruntime."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("order", ["vectors, session", "session, vectors"])
def test_modules_load_in_any_order(order: str):
    """Whichever module comes first, usearch does not make onnxruntime crash."""
    subprocess.run([sys.executable, "-c", f"from shortlist.server import {order}"], check=True, timeout=60)
