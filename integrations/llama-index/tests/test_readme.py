"""The README's code runs as it stands, and prints what it says."""

import contextlib
import io
import re
from pathlib import Path

from shortlist.client import Client


def test_the_code_prints_what_it_says(client: Client):
    """All blocks of code, one after the other, print the lines behind `# prints:`."""
    code = "\n".join(
        re.findall(r"```python\n(.*?)```", Path(__file__).parents[1].joinpath("README.md").read_text(), re.DOTALL)
    )
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), {})  # noqa: S102 (our own)
    finally:
        client.create_collection("llama-index-notes", exist_ok=True)
        client.drop_collection("llama-index-notes")
    assert printed.getvalue().splitlines() == re.findall(r"^# prints: (.*)$", code, re.MULTILINE)
