"""The commands of studies and evaluations that the docs and the Makefile name can be parsed as they stand there."""

import importlib
import shlex
import sys
from pathlib import Path

import pytest

from shortlist.cli.main import main
from shortlist.console.ending import UNUSABLE
from shortlist.evaluation import app

ROOT = Path(__file__).parents[3]
MODULE = "-m shortlist."
EVALUATION = "shortlist eval "


def commands(beginning: str) -> list[list[str]]:
    """Return what follows a beginning of commands, wherever one stands."""
    found = []
    for path in (ROOT / "Makefile", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
            before, there, after = line.partition(beginning)
            if there and not {"`", "|"} & set(before):  # a command in prose or in a table shows no arguments
                found.append(shlex.split(after.split(">")[0], comments=True))
    return found


def documented() -> list[list[str]]:
    """Return the modules that are run, each with its arguments."""
    found = [[f"shortlist.{module}", *arguments] for module, *arguments in commands(MODULE)]
    return [one for one in found if one[0].startswith(("shortlist.bench.studies.", "shortlist.finetune."))]


def opened(name: str):
    """Import what `python -m NAME` runs."""
    module = importlib.import_module(name)
    return importlib.import_module(f"{name}.__main__") if hasattr(module, "__path__") else module


@pytest.mark.parametrize("arguments", documented(), ids=" ".join)
def test_documented_commands_parse(arguments, monkeypatch, tmp_path):
    """Every flag of a documented command is known, and its values can be used."""
    module, seen = opened(arguments[0]), []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(module, "run", lambda chosen: seen.append(chosen) or 0)
    assert module.main() == 0
    assert len(seen) == ("--help" not in arguments)


@pytest.mark.parametrize("arguments", commands(EVALUATION), ids=" ".join)
def test_documented_evaluations_parse(arguments, monkeypatch):
    """The same of `shortlist eval`: there is one in the Makefile, and each of the docs can be run as it stands."""
    seen = []
    monkeypatch.setattr(app, "run", lambda *given: seen.append(given) or 0)
    assert main(("eval", *arguments)) == 0
    assert len(seen) == ("--help" not in arguments)


@pytest.mark.parametrize("name", sorted({arguments[0] for arguments in documented()}))
def test_an_unknown_flag_names_the_command(name, monkeypatch, capsys):
    """A flag that there is not ends with one line that names the command as it is run."""
    monkeypatch.setattr(sys, "argv", [name, "--no-such-flag", "1"])
    assert opened(name).main() == UNUSABLE
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"python -m {name}: ")
