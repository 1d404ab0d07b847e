"""Settings of the studies that nothing could be measured with."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from parsed import parsed
from shortlist.bench.studies.deadlines import DeadlinesSettings
from shortlist.bench.studies.peers.settings import PeersSettings
from shortlist.bench.studies.reindexes import ReindexesSettings
from shortlist.bench.studies.soak import SoakSettings
from shortlist.bench.studies.stalls import StallsSettings
from shortlist.console.errors import UsageError

STUDIES: tuple[type[Any], ...] = (
    DeadlinesSettings,
    PeersSettings,
    ReindexesSettings,
    SoakSettings,
    StallsSettings,
)


def bounded() -> Iterator[tuple[type[Any], str, float]]:
    """Yield the settings that have a least value."""
    for study in STUDIES:
        for name, hint in get_type_hints(study, include_extras=True).items():
            for mark in getattr(hint, "__metadata__", ()):
                yield from ((study, name, one.gte) for one in mark.validator if one.gte is not None)


@pytest.mark.parametrize(("study", "name", "least"), list(bounded()), ids=str)
def test_a_value_below_the_least_is_refused(study, name, least):
    """The setting is named with its value and the limit."""
    required = {one.name: Path("x") for one in dataclasses.fields(study) if one.default is dataclasses.MISSING}
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(
        UsageError, match=rf'^Invalid value ".*" for {flag}\. Must be {least} (or more|to [0-9]+)\. See '
    ):
        parsed(study, **{**required, name: least - 1})
