"""What an export may be asked for."""

import math
from pathlib import Path

import pytest

from parsed import parsed
from shortlist.console.errors import UsageError
from shortlist.export.settings import ExportSettings
from shortlist.server.errors import SettingsError
from shortlist.server.runtime.manifest import LEAST_WINDOW


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (
            {"variants": ("fp32", "int4")},
            "variants names 'int4', but there are fp32, bf16, int8-token, int8-static, fp16",
        ),
        ({"least_overlap": 1.1}, r'Invalid value "1\.1" for --least-overlap\. Must be 0 to 1\.'),
        ({"least_tau": -0.1}, r'Invalid value "-0\.1" for --least-tau\. Must be 0 to 1\.'),
        ({"most_ndcg_loss": math.nan}, 'for --most-ndcg-loss: unable to convert "nan" into float'),
        ({"similarity_weight": -1}, r'Invalid value "-1\.0" for --similarity-weight\. Must be 0 to 100\.'),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"max_tokens": 1}, "max_tokens is 1, but it must be 8 or more"),
        ({"max_tokens": 7}, "max_tokens is 7, but it must be 8 or more"),
    ],
)
def test_refused_values(changed: dict[str, object], named: str) -> None:
    """A value that no export can honour is named, with its limit."""
    with pytest.raises((UsageError, SettingsError), match=named):
        parsed(ExportSettings, out="out", **changed)


def test_no_variants_leave_the_choice_to_the_export() -> None:
    """Variants may be left out: the export then makes what the installed execution providers run."""
    assert ExportSettings(out=Path("out")).variants == ()


def test_the_least_window_is_taken() -> None:
    """The server's least window may be asked for."""
    assert ExportSettings(out=Path("out"), max_tokens=LEAST_WINDOW).max_tokens == LEAST_WINDOW
