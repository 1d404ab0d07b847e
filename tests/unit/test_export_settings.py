"""What an export may be asked for."""

from dataclasses import fields
from pathlib import Path

import pytest

from shortlist.export.settings import ExportSettings
from shortlist.server.errors import SettingsError


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"model": ""}, "model is empty"),
        ({"variants": ()}, "variants is empty"),
        ({"variants": ("fp32", "int4")}, "variants is fp32,int4, but there are fp32 and int8"),
        ({"max_tokens": -1}, "max_tokens is -1"),
    ],
)
def test_refused_values(changed: dict[str, object], named: str) -> None:
    """A value that no export can honour is named, with its limit."""
    with pytest.raises(SettingsError, match=named):
        ExportSettings(**({"model": "m", "out": Path("out")} | changed))


def test_every_setting_has_help() -> None:
    """Each field tells what it is for, since flags and documentation are made of it."""
    assert all(field.metadata["help"] for field in fields(ExportSettings))
