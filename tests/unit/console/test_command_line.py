"""Settings from flags, environment, TOML and defaults."""

from pathlib import Path

import pytest

from greeting import Sample

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


def test_variables_that_are_no_setting(read):
    """A variable of another name is ignored, also where a flag is called like it."""
    assert read("--name=Ada", SHORTLIST_NO_CREATE="1", SHORTLIST_EXTRA_ID="1")[0] == Sample(name="Ada")


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
    assert "[greet] has no setting 'files'" in refusal("--config", config('[greet]\nfiles = ["a"]'))


def test_a_list_given_in_parts(read):
    """The flag of a list adds to it each time, as if all were given at once."""
    variants, extra = ("--variants", "fp32", "--variants", "int8,bf16"), ("--extra", "id=1", "--extra", "b=2,c=3")
    found, _ = read("--name=Ada", *variants, *extra)
    assert found.variants == ("fp32", "int8", "bf16")
    assert found.extra == {"id": "1", "b": "2", "c": "3"}


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
