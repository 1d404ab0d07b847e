"""Files to read."""

import gzip
import json

import pytest


@pytest.fixture
def write(tmp_path):
    """Write a file, of lines of JSON where objects are given, and return its path."""

    def write_to(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
        return str(path)

    return write_to
