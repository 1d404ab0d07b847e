"""The contract explains itself: every service, call, message, field and enum value has its comment."""

import re
from pathlib import Path

LINES = (Path(__file__).parents[3] / "proto" / "retrieval.proto").read_text(encoding="utf-8").splitlines()
# A message named ...Request or ...Response is described at its call.
DECLARED = re.compile(r"\s*(service|rpc|enum|message(?! \w+(Request|Response|Result)\b)) |.* = \d+;$")


def test_commented():
    """A comment stands right above each declaration, of which there are as many as the contract has."""
    places = [place for place, line in enumerate(LINES) if DECLARED.match(line)]
    assert len(places) > 120
    assert [LINES[place] for place in places if not LINES[place - 1].strip().startswith("//")] == []
