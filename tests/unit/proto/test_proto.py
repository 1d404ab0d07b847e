"""The contracts explain themselves: every service, call, message, field and enum value has its comment."""

import re
from pathlib import Path

import pytest

PROTOS = Path(__file__).parents[3] / "proto"
# A message named ...Request or ...Response is described at its call.
DECLARED = re.compile(r"\s*(service|rpc|enum|message(?! \w+(Request|Response|Result)\b)) |.* = \d+;$")


@pytest.mark.parametrize(("name", "least"), [("retrieval.proto", 120), ("tei.proto", 90)])
def test_commented(name: str, least: int):
    """A comment stands right above each declaration, of which there are as many as the contract has."""
    lines = (PROTOS / name).read_text(encoding="utf-8").splitlines()
    places = [place for place, line in enumerate(lines) if DECLARED.match(line)]
    assert len(places) > least
    assert [lines[place] for place in places if not lines[place - 1].strip().startswith("//")] == []
