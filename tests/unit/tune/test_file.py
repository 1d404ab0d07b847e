"""The settings file: TOML that reads back as it was meant, all of it or nothing, never over another."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.errors import SettingsError
from shortlist.tune import file

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(texts), texts, st.integers(0, 2**31), st.dictionaries(texts, texts))
def test_what_is_written_reads_back(comments: list[str], path: str, slots: int, options: dict[str, str]):
    """Any path, number and option comes back the same, whatever the comments hold."""
    comments = ["".join(one if one.isprintable() else " " for one in line) for line in comments]
    found = file.text(comments, {"embedder": path, "slots": slots, "provider_options": options})
    expected = {"embedder": path, "slots": slots} | ({"provider_options": options} if options else {})
    assert tomllib.loads(found) == {"serve": expected}


def test_a_file_that_is_there_is_refused(tmp_path: Path):
    """Without --force a file stays as it is; with it, it is replaced, and nothing lies beside it."""
    path = tmp_path / "shortlist.toml"
    path.write_text("mine")
    with pytest.raises(SettingsError, match="which is there already; replace it with --force, or name another file"):
        file.put(path, "new", force=False)
    assert path.read_text() == "mine"
    file.put(path, "new", force=True)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "message"), [(".", "is a folder"), ("no/where.toml", "which is no folder")])
def test_no_place_for_a_file(tmp_path: Path, name: str, message: str):
    """A folder, or a file in a folder that is not there, is refused by name, also with --force."""
    with pytest.raises(SettingsError, match=message):
        file.check(tmp_path / name, force=True)


def test_what_cannot_be_encoded_leaves_nothing(tmp_path: Path):
    """A path that is no text in UTF-8 is an error in one line, and no file is left."""
    path = tmp_path / "shortlist.toml"
    with pytest.raises(SettingsError, match="cannot be written"):
        file.put(path, file.text([], {"data": os.fsdecode(b"\xff")}), force=False)
    assert list(tmp_path.iterdir()) == []
