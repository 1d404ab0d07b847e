"""Settings from flags, environment, TOML and defaults."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from shortlist.console import command_line, options
from shortlist.console.options import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One setting of every type."""

    files: tuple[str, ...] = field(
        default=(), metadata={"help": "what to read", "positional": True, "metavar": "FILE"}
    )
    name: str = field(metadata={"help": "whom to greet"})
    port: int = field(default=50051, metadata={"help": "100% of the port"})
    margin_ms: float = field(default=10.0, metadata={"help": "how long before"})
    create: bool = field(default=True, metadata={"help": "make it"})
    data: Path = field(default=Path("data"), metadata={"help": "folder"})
    mode: Literal["auto", "dense"] = field(default="auto", metadata={"help": "which stages"})
    top_k: int | None = field(default=None, metadata={"help": "hits", "group": "limits"})
    variants: tuple[str, ...] = field(default=("fp32",), metadata={"help": "graphs"})
    extra: tuple[tuple[str, str], ...] = field(default=(), metadata={"help": "options"})


# No setting as its default has it; an argument comes from the command line only.
EVERY = Sample(
    name="Ada",
    port=1,
    margin_ms=2.0,
    create=False,
    data=Path("/d"),
    mode="dense",
    top_k=3,
    variants=("fp32", "int8"),
    extra=(("id", "1"), ("shapes", "a:1x1,b:2x2")),
)


def read(*arguments, **environment):
    """Read `Sample` as the command `greet` would."""
    parser = command_line.parser("greet", Sample, description="Greet.", examples="  shortlist greet")
    given = parser.given(arguments)
    return options.read(Sample, "greet", given, environment=environment, tables=("greet", "part"))


def refusal(*arguments, **environment):
    """Return the message that the settings are refused with."""
    with pytest.raises(UsageError) as caught:
        read(*arguments, **environment)
    return str(caught.value)


@pytest.fixture
def config(tmp_path):
    """Write a TOML file, and return its path."""

    def write(content):
        path = tmp_path / "shortlist.toml"
        path.write_text(content)
        return str(path)

    return write


def test_defaults_where_nothing_is_given():
    """A setting that nobody gives has its field's default."""
    assert Sample(name="Ada") == read("--name", "Ada")


def test_every_type_from_flags():
    """Each type is read from the text of a flag."""
    flags = "--name=Ada --port 1 --margin-ms 2 --no-create --data /d --mode dense --top-k 3 --variants fp32,int8"
    flags += " --extra id=1,shapes=a:1x1,b:2x2"
    assert dataclasses.replace(EVERY, files=("a", "b")) == read(*flags.split(), "a", "b")


def test_flags_and_arguments_in_any_order():
    """A flag may stand before, between and behind arguments."""
    assert read("a", "--name", "Ada", "b", "--port", "1").files == ("a", "b")
    assert read("--name", "Ada", "--", "-a").files == ("-a",)


def test_every_type_from_the_environment():
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
        "SHORTLIST_EXTRA": "id=1, shapes=a:1x1,b:2x2",
    }
    assert read(**environment) == EVERY


def test_every_type_from_toml(config):
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
        [greet.extra]
        id = 1
        shapes = "a:1x1,b:2x2"
        """
    )
    assert read("--config", path) == EVERY


def test_order_of_the_sources(config):
    """A flag comes before the environment, and the environment before the file."""
    path = config('[greet]\nname = "file"\nport = 1\ntop_k = 1')
    found = read("--name", "flag", SHORTLIST_CONFIG=path, SHORTLIST_NAME="variable", SHORTLIST_PORT="2")
    assert (found.name, found.port, found.top_k) == ("flag", 2, 1)


def test_config_flag_comes_before_its_variable(config):
    """The file that --config names is read, not that of SHORTLIST_CONFIG."""
    assert read("--config", config('[greet]\nname = "Ada"'), SHORTLIST_CONFIG="/nowhere").name == "Ada"


def test_arguments_come_from_the_command_line_only(config):
    """What a command acts on is not taken from the environment, and not from a file."""
    assert read("--name=Ada", SHORTLIST_FILES="a").files == ()
    assert "has no setting 'files'" in refusal("--config", config('[greet]\nfiles = ["a"]'))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--port abc", "--port: 'abc' is not a whole number"),
        ("--port 1.5", "--port: '1.5' is not a whole number"),
        ("--margin-ms nan", "--margin-ms: 'nan' is not a number"),
        ("--mode sparse", "--mode: 'sparse' is not one of auto, dense"),
        ("--data=", "--data: '' is not a path"),
        ("--extra=id", "--extra: 'id' is not a list of NAME=VALUE"),
        ("--extra==1", "--extra: '=1' is not a list of NAME=VALUE"),
        ("--prot=1", "unrecognized arguments: --prot=1; see `shortlist greet --help`"),
        ("--por=1", "unrecognized arguments: --por=1; see `shortlist greet --help`"),
    ],
)
def test_flags_that_cannot_be_used(arguments, message):
    """A flag's error names the flag, its value and what it should be."""
    assert message == refusal("--name=Ada", *arguments.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--port 1 --port 2", "--port is given twice, as '1' and as '2'; give it once"),
        ("--port=1 a --port=1", "--port is given twice, as '1' and as '1'; give it once"),
        ("--data a --data b", "--data is given twice, as 'a' and as 'b'; give it once"),
        ("--mode auto --mode dense", "--mode is given twice, as 'auto' and as 'dense'; give it once"),
        ("--config a --config b", "--config is given twice, as 'a' and as 'b'; give it once"),
        ("--create --no-create", "--no-create comes after one of --create, --no-create; give one, once"),
        ("--create --create", "--create comes after one of --create, --no-create; give one, once"),
    ],
)
def test_a_flag_given_twice(arguments, message):
    """Of two values for one setting neither is dropped in silence: both are named."""
    assert f"{message}; see `shortlist greet --help`" == refusal("--name=Ada", *arguments.split())


def test_a_list_given_in_parts():
    """The flag of a list adds to it each time, as if all were given at once."""
    variants, extra = ("--variants", "fp32", "--variants", "int8,bf16"), ("--extra", "id=1", "--extra", "b=2,c=3")
    found = read("--name=Ada", *variants, *extra)
    assert found.variants == ("fp32", "int8", "bf16")
    assert found.extra == (("id", "1"), ("b", "2"), ("c", "3"))


@pytest.mark.parametrize("given", ["--extra=id=1,id=2", "--extra id=1 --extra id=2"])
def test_a_name_given_twice(given):
    """Of two values for one name of a list of NAME=VALUE neither is dropped in silence."""
    assert refusal("--name=Ada", *given.split()) == (
        "--extra: 'id=1,id=2' is not a list of NAME=VALUE with each name once: 'id' comes twice"
    )


def test_variables_that_cannot_be_used():
    """A variable's error names the variable, its value and what it should be."""
    assert refusal("--name=Ada", SHORTLIST_PORT="tcp://10.0.0.1:80") == (
        "SHORTLIST_PORT: 'tcp://10.0.0.1:80' is not a whole number"
    )
    assert refusal("--name=Ada", SHORTLIST_CREATE="maybe") == "SHORTLIST_CREATE: 'maybe' is not true or false"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[greet]\nport = 'abc'", "[greet] port: 'abc' is not a whole number"),
        ("[greet]\nport = true", "[greet] port: True is not a whole number"),
        ("[greet]\ncreate = 1", "[greet] create: 1 is not true or false"),
        ("[greet]\nvariants = 'fp32'", "[greet] variants: 'fp32' is not a list of strings"),
        ("[greet]\nextra = ['id=1']", "[greet] extra: ['id=1'] is not a list of NAME=VALUE"),
        ("[greet]\nextra = {id = []}", "[greet] extra: {'id': []} is not a list of NAME=VALUE"),
        ("[greet]\nmargin_ms = inf", "[greet] margin_ms: inf is not a number"),
        ("[greet]\nprot = 1", "[greet] has no setting 'prot'; did you mean 'port'?"),
        ("[gret]\nport = 1", "there is no command 'gret'; did you mean 'greet'?"),
        ("part = 1", "'part' must be a table: write [part] above its settings"),
        ("[greet", "is not TOML: Expected ']' at the end of a table declaration (at end of document)"),
    ],
)
def test_files_that_cannot_be_used(config, content, message):
    """A file's error names the file, the table and the key, and the nearest name that there is."""
    path = config(content)
    assert f"{path}: {message}" == refusal("--name=Ada", "--config", path)


def test_a_file_that_is_not_there():
    """A file that was named must be there."""
    assert refusal("--config", "/nowhere.toml") == "/nowhere.toml: cannot be read: No such file or directory"


def test_a_required_setting_that_is_missing():
    """The error names all three ways to give it."""
    assert refusal() == (
        "name is not set; give --name TEXT, SHORTLIST_NAME, or name under [greet] in a file named with --config"
    )


def test_help_shows_every_setting_with_default_and_variable():
    """--help holds each setting's help, default and variable, and the examples."""
    text = command_line.parser("greet", Sample, description="Greet.", examples="  shortlist greet").format_help()
    flat = " ".join(text.split())
    assert flat.startswith("usage: shortlist greet --name TEXT [settings] [FILE ...] Greet.")
    for part in (
        "--port N 100% of the port [50051, SHORTLIST_PORT]",
        "--name TEXT whom to greet [required, SHORTLIST_NAME]",
        "--create, --no-create make it [yes, SHORTLIST_CREATE]",
        "--mode {auto,dense} which stages [auto, SHORTLIST_MODE]",
        "--extra A=B,C=D options [SHORTLIST_EXTRA]",
        "limits: --top-k N hits [SHORTLIST_TOP_K]",
        "arguments: FILE what to read",
        "examples: shortlist greet",
    ):
        assert part in flat


def test_help_names_the_program():
    """A command that is not called as `shortlist COMMAND` says how it is called."""
    parser = command_line.parser("greet", Sample, description="Greet.", examples="", program="python -m greet")
    assert parser.format_help().startswith("usage: python -m greet --name TEXT")
    assert parser.prog == "python -m greet"


@pytest.mark.parametrize("columns", ["1", "2", "3"])
def test_help_on_a_terminal_without_room(monkeypatch, columns):
    """However narrow the terminal, a command can be run and can be explained."""
    monkeypatch.setenv("COLUMNS", columns)
    parser = command_line.parser("greet", Sample, description="Greet them all.", examples="  shortlist greet")
    assert "Greet them all." in parser.format_help()
