"""`shortlist key`: the key once, and its line for the server."""

import stat
from pathlib import Path

import pytest

from shortlist.cli.main import main
from shortlist.server.access import keys


def test_a_key_and_its_line(capsys: pytest.CaptureFixture[str]):
    """Both are printed, and belong together."""
    assert main(("key", "new", "app", "--right", "write", "--collections", "notes,team-*")) == 0
    secret, line = capsys.readouterr().out.splitlines()
    (kept,) = keys.read([line], "output")
    assert keys.find([kept], secret) is kept
    assert line.startswith("app write ")
    assert line.endswith(" notes team-*")


def test_a_file_gets_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A new file is its owner's alone; one that ends without a newline gets one first."""
    path = tmp_path / "keys"
    for name in ("one", "two"):
        assert main(("key", "new", name, "--key-file", str(path))) == 0
        path.write_text(path.read_text().rstrip())
    secrets = capsys.readouterr().out.split()
    known = keys.read(path.read_text().splitlines(), "file")
    assert [keys.find(known, secret).name for secret in secrets] == ["one", "two"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("new", "a b"), "a key's name is 1 to 64"),
        (("new", "app", "--collections", "Notes"), "'Notes' is no collection"),
        (("new", "app", "--key-file", "/nowhere/keys"), "cannot be written: No such file"),
    ],
)
def test_what_cannot_be_made(arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]):
    """One line says why, and no key is printed."""
    assert main(("key", *arguments)) == 2
    printed = capsys.readouterr()
    assert (printed.out, told in printed.err) == ("", True), printed.err
