"""Settings from flags, environment, TOML and defaults."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from cyclopts import Parameter

from shortlist.console import command_line
from shortlist.console.errors import UsageError
from shortlist.server.settings import Pairs, within


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One setting of every type."""

    name: Annotated[str, Parameter(metavar="TEXT")]
    """whom to greet"""
    port: Annotated[int, within(0, 65_535)] = 50051
    """100% of the port"""
    margin_ms: float = 10.0
    """how long before"""
    create: bool = True
    """make it"""
    data: Path = Path("data")
    """folder"""
    mode: Literal["auto", "dense"] = "auto"
    """which stages"""
    top_k: Annotated[int | None, Parameter(group="Limits")] = None
    """hits"""
    variants: tuple[str, ...] = ("fp32",)
    """graphs"""
    clients: Annotated[tuple[int, ...], within(1)] = ()
    """how many"""
    extra: Pairs = field(default_factory=dict)
    """options"""


# No setting as its default has it.
EVERY = Sample(
    name="Ada",
    port=1,
    margin_ms=2.0,
    create=False,
    data=Path("/d"),
    mode="dense",
    top_k=3,
    variants=("fp32", "int8"),
    clients=(1, 2),
    extra={"id": "1", "shapes": "a:1x1,b:2x2"},
)


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


def test_defaults_where_nothing_is_given(read):
    """A setting that nobody gives has its field's default."""
    assert read("--name", "Ada") == [Sample(name="Ada"), ()]


def test_every_type_from_flags(read):
    """Each type is read from the text of a flag."""
    flags = "--name=Ada --port 1 --margin-ms 2 --no-create --data /d --mode dense --top-k 3 --variants fp32,int8"
    flags += " --clients 1,2 --extra id=1,shapes=a:1x1,b:2x2"
    assert read(*flags.split(), "a", "b") == [EVERY, ("a", "b")]


def test_flags_and_arguments_in_any_order(read):
    """A flag may stand before, between and behind arguments."""
    assert read("a", "--name", "Ada", "b", "--port", "1")[1] == ("a", "b")
    assert read("--name", "Ada", "--", "-a")[1] == ("-a",)


def test_every_type_from_the_environment(read):
    """Each type is read from the text of a variable."""
    environment = {
        "SHORTLIST_NAME": "Ada",
        "SHORTLIST_PORT": "1",
        "SHORTLIST_MARGIN_MS": "2",
        "SHORTLIST_CREATE": "No",
        "SHORTLIST_DATA": "/d",
        "SHORTLIST_MODE": "dense",
        "SHORTLIST_TOP_K": "3",
        "SHORTLIST_VARIANTS": "fp32, int8",
        "SHORTLIST_CLIENTS": "1,2",
        "SHORTLIST_EXTRA": "id=1, shapes=a:1x1,b:2x2",
    }
    assert read(**environment)[0] == EVERY


def test_every_type_from_toml(read, config):
    """Each type is read from TOML's own types."""
    path = config(
        """
        [greet]
        name = "Ada"
        port = 1
        margin_ms = 2.0
        create = false
        data = "/d"
        mode = "dense"
        top_k = 3
        variants = ["fp32", "int8"]
        clients = [1, 2]
        [greet.extra]
        id = 1
        shapes = "a:1x1,b:2x2"
        """
    )
    assert read("--config", path)[0] == EVERY


def test_order_of_the_sources(read, config):
    """A flag comes before the environment, and the environment before the file."""
    path = config('[greet]\nname = "file"\nport = 1\ntop_k = 1')
    found, _ = read("--name", "flag", SHORTLIST_CONFIG=path, SHORTLIST_NAME="variable", SHORTLIST_PORT="2")
    assert (found.name, found.port, found.top_k) == ("flag", 2, 1)


def test_one_source_for_a_list(read, config):
    """A list that a flag names gets nothing from variable and file, and so does one of NAME=VALUE."""
    path = config('[greet]\nvariants = ["a"]\nextra = {a = 1}')
    environment = {"SHORTLIST_CONFIG": path, "SHORTLIST_VARIANTS": "b"}
    found, _ = read("--name=Ada", "--variants=c", "--extra=c=3", **environment)
    assert (found.variants, found.extra) == (("c",), {"c": "3"})


def test_config_flag_comes_before_its_variable(read, config):
    """The file that --config names is read, not that of SHORTLIST_CONFIG."""
    path = config('[greet]\nname = "Ada"')
    assert read("--config", path, SHORTLIST_CONFIG="/nowhere")[0].name == "Ada"


def test_arguments_come_from_the_command_line_only(read, refusal, config):
    """What a command acts on is not taken from the environment, and not from a file."""
    assert read("--name=Ada", SHORTLIST_FILES="a") == [Sample(name="Ada"), ()]
    assert "There is no setting [greet][files]" in refusal("--config", config('[greet]\nfiles = ["a"]'))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--port abc", 'Invalid value for --port: unable to convert "abc" into int.'),
        ("--port 1.5", 'Invalid value for --port: unable to convert "1.5" into int.'),
        ("--port 65536", 'Invalid value "65536" for --port. Must be <= 65535.'),
        ("--port -1", 'Invalid value "-1" for --port. Must be >= 0.'),
        ("--margin-ms nan", 'Invalid value for --margin-ms: unable to convert "nan" into float.'),
        ("--mode sparse", 'Invalid value "sparse" for --mode. Choose from: "auto", "dense".'),
        ("--data=", 'Invalid value for --data: unable to convert "" into Path.'),
        ("--clients 1,a", 'Invalid value for --clients: unable to convert "a" into int.'),
        ("--clients 0,2", 'Invalid value "(0, 2)" for --clients. Must be >= 1.'),
        ("--extra=id", "Invalid value for --extra: 'id' is not NAME=VALUE."),
        ("--extra==1", "Invalid value for --extra: '=1' is not NAME=VALUE."),
        ("--prot=1", "Unknown option: --prot=1. Did you mean --port?"),
        ("--por=1", "Unknown option: --por=1. Did you mean --port?"),
    ],
)
def test_flags_that_cannot_be_used(refusal, arguments, message):
    """A flag's error names the flag, its value and what it should be."""
    assert message == refusal("--name=Ada", *arguments.split())


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        ("--port 1 --port 2", "--port"),
        ("--port=1 a --port=1", "--port"),
        ("--data a --data b", "--data"),
        ("--mode auto --mode dense", "--mode"),
        ("--config a --config b", "--config"),
        ("--create --no-create", "--no-create"),
        ("--create --create", "--create"),
    ],
)
def test_a_flag_given_twice(refusal, arguments, flag):
    """Of two values for one setting neither is dropped in silence."""
    assert refusal("--name=Ada", *arguments.split()) == f"Parameter {flag} specified multiple times."


def test_a_list_given_in_parts(read):
    """The flag of a list adds to it each time, as if all were given at once."""
    variants, extra = ("--variants", "fp32", "--variants", "int8,bf16"), ("--extra", "id=1", "--extra", "b=2,c=3")
    found, _ = read("--name=Ada", *variants, *extra)
    assert found.variants == ("fp32", "int8", "bf16")
    assert found.extra == {"id": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("given", ["--extra=id=1,id=2", "--extra id=1 --extra id=2"])
def test_a_name_given_twice(refusal, given):
    """Of two values for one name of a list of NAME=VALUE neither is dropped in silence."""
    assert refusal("--name=Ada", *given.split()) == "Invalid value for --extra: 'id=2' comes twice."


def test_variables_that_cannot_be_used(refusal):
    """A variable's error names the variable, its value and what it should be."""
    assert refusal("--name=Ada", SHORTLIST_PORT="tcp://10.0.0.1:80") == (
        'Invalid value for SHORTLIST_PORT from the environment: unable to convert "tcp://10.0.0.1:80" into int.'
    )
    assert refusal("--name=Ada", SHORTLIST_PORT="65536") == (
        'Invalid value "65536" for SHORTLIST_PORT provided by the environment. Must be <= 65535.'
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[greet]\nport = 'abc'", 'Invalid value for [greet][port] from {path}: unable to convert "abc" into int.'),
        ("[greet]\nport = true", 'Invalid value for [greet][port] from {path}: unable to convert "True" into int.'),
        ("[greet]\nport = 65536", 'Invalid value "65536" for [greet][port] provided by {path}. Must be <= 65535.'),
        ("[greet]\ncreate = 2", 'Invalid value for [greet][create] from {path}: unable to convert "2" into bool.'),
        ("[greet]\nport = [1]", 'Invalid value for [greet][port] from {path}: unable to convert "[1]" into int.'),
        ("[greet]\nextra = ['id']", "Invalid value for [greet][extra]: 'id' is not NAME=VALUE."),
        (
            "[greet]\nextra = {id = []}",
            'Invalid value for [greet][extra][id] from {path}: unable to convert "" into str.',
        ),
        (
            "[greet]\nmargin_ms = inf",
            'Invalid value for [greet][margin_ms] from {path}: unable to convert "inf" into float.',
        ),
        ("[greet]\nprot = 1", "There is no setting [greet][prot], which is in {path}; did you mean 'port'?"),
        ("[gret]\nport = 1", "{path}: there is no command 'gret'; did you mean 'greet'?"),
        ("greet = 1", 'Configuration key [greet] in "{path}" must be a mapping, but got int.'),
        ("[greet", "{path}: is not TOML: Expected ']' at the end of a table declaration (at end of document)"),
    ],
)
def test_files_that_cannot_be_used(refusal, config, content, message):
    """A file's error names the file, the table and the key, and the nearest name that there is."""
    path = config(content)
    assert message.format(path=path) == refusal("--name=Ada", "--config", path)


def test_a_file_that_is_not_there(refusal):
    """A file that was named must be there."""
    assert refusal("--config", "/nowhere.toml") == "/nowhere.toml: cannot be read: No such file or directory"


def test_a_required_setting_that_is_missing(refusal):
    """The error names the setting."""
    assert refusal() == 'Command "greet" parameter --name requires an argument.'


def test_help_shows_every_setting_with_default_and_variable(read, capsys, monkeypatch):
    """--help holds each setting's help, default and variable, and the examples."""
    monkeypatch.setenv("COLUMNS", "200")
    assert read("--help") == 0
    flat = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert flat.startswith("Usage: shortlist greet --name TEXT [OPTIONS] [ARGS...] Greet.")
    for part in (
        "FILES what to read",
        "--config FILE TOML file to read settings from",
        "--port INT 100% of the port [env var: SHORTLIST_PORT] [default: 50051]",
        "--name TEXT whom to greet [env var: SHORTLIST_NAME] [required]",
        "--create --no-create make it [env var: SHORTLIST_CREATE] [default: yes]",
        "--mode CHOICE which stages [choices: auto, dense] [env var: SHORTLIST_MODE] [default: auto]",
        "--variants STR... graphs [env var: SHORTLIST_VARIANTS] [default: fp32]",
        "--extra NAME=VALUE,NAME=VALUE options [env var: SHORTLIST_EXTRA]",
        "--top-k INT hits [env var: SHORTLIST_TOP_K]",
        "Examples: shortlist greet --name Ada",
    ):
        assert part in flat
    assert "SHORTLIST_FILES" not in flat
    assert "Limits" in flat


@pytest.mark.parametrize("columns", ["1", "2", "3"])
def test_help_on_a_terminal_without_room(read, capsys, monkeypatch, columns):
    """However narrow the terminal, a command can be run and can be explained."""
    monkeypatch.setenv("COLUMNS", columns)
    assert read("--help") == 0
    assert "Examples:\n  shortlist greet --name Ada\n" in capsys.readouterr().out
