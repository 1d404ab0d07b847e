"""Settings of the studies that nothing could be measured with."""

import dataclasses
from pathlib import Path

import pytest

from shortlist.bench.studies.copies import CopiesSettings
from shortlist.bench.studies.deadlines import DeadlinesSettings
from shortlist.bench.studies.peers.settings import PeersSettings
from shortlist.bench.studies.quality import QualitySettings
from shortlist.bench.studies.soak import SoakSettings
from shortlist.bench.studies.stalls import StallsSettings
from shortlist.server.errors import SettingsError

STUDIES = (CopiesSettings, DeadlinesSettings, PeersSettings, QualitySettings, SoakSettings, StallsSettings)


@pytest.mark.parametrize(("study", "name"), [(study, name) for study in STUDIES for name in study.least], ids=str)
def test_a_value_below_the_least_is_refused(study, name):
    """The setting is named with its value and the limit."""
    required = {one.name: Path("x") for one in dataclasses.fields(study) if one.default is dataclasses.MISSING}
    least = study.least[name]
    with pytest.raises(SettingsError, match=rf"^{name} is .*, but it must be {least} or more$"):
        study(**{**required, name: least - 1})
