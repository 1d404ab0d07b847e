"""Settings read as a command would."""

import os
from typing import Annotated

import pytest

from greeting import Sample
from shortlist.console import command_line
from shortlist.console.errors import UsageError


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """Have none of the variables that are read here, but those that a test sets."""
    for name in os.environ:
        if name.startswith("SHORTLIST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def read(monkeypatch):
    """Read `Sample` as the command `greet` would: return it, and what it is to act on."""

    def run(*arguments, **environment):
        found = []
        greet = command_line.command("greet", "shortlist greet --name Ada")

        @greet.default
        def run(
            *files: Annotated[str, command_line.argument("what to read")],
            settings: Annotated[Sample, command_line.FLAT],
        ):
            """Greet."""
            found.extend((settings, files))

        program = command_line.program("shortlist", ("greet", "part"), "shortlist greet", help="Greet and part.")
        program.command(greet)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = command_line.run(program, ["greet", *arguments])
        return found or code

    return run


@pytest.fixture
def refusal(read):
    """Return the message that the settings are refused with, without the hint that ends it."""

    def run(*arguments, **environment):
        with pytest.raises(UsageError) as caught:
            read(*arguments, **environment)
        message, _, hint = str(caught.value).partition(" See ")
        assert hint in ("`shortlist greet --help`.", "`shortlist --help`.", "")
        return message

    return run


@pytest.fixture
def config(tmp_path):
    """Write a TOML file, and return its path."""

    def write(content):
        path = tmp_path / "shortlist.toml"
        path.write_text(content)
        return str(path)

    return write
