"""The contract explains itself: every service, call, message, field and enum value has its comment."""

import re
from pathlib import Path

import pytest

LINES = (Path(__file__).parents[3] / "proto" / "retrieval.proto").read_text(encoding="utf-8").splitlines()
# A message named ...Request or ...Response is described at its call.
DECLARED = re.compile(r"\s*(service|rpc|enum|message(?! \w+(Request|Response|Result)\b)) |.* = \d+;$")
PLACES = [place for place, line in enumerate(LINES) if DECLARED.match(line)]


@pytest.mark.parametrize("place", PLACES, ids=[LINES[place].strip() for place in PLACES])
def test_commented(place: int):
    """A comment stands right above."""
    assert LINES[place - 1].strip().startswith("//")


def test_the_check_sees_the_whole_file():
    """The check above covers both services, and as many declarations as the contract has."""
    assert len(PLACES) > 120
