"""Silence for libraries."""

import logging
import sys
import warnings

import pytest

from shortlist.export.silence import quiet


def test_prints_warnings_and_records_are_kept_back(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of what a library says in the block comes out; afterwards it may talk again."""
    with quiet():
        print("noise")
        print("noise", file=sys.stderr)
        warnings.warn("noise", stacklevel=1)
        logging.getLogger("library").critical("noise")
    assert capfd.readouterr() == ("", "")
    logging.getLogger("library").error("heard")
    assert caplog.messages == ["heard"]


def test_errors_pass() -> None:
    """An exception of the block is not swallowed, and logging is back after it."""
    with pytest.raises(ValueError, match="told"), quiet():
        raise ValueError("told")
    assert logging.root.manager.disable == logging.NOTSET
