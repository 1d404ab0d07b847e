"""Settings that cannot be used: one line that names source, value and what is expected."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--port abc", 'Invalid value for --port: unable to convert "abc" into int.'),
        ("--port 1.5", 'Invalid value for --port: unable to convert "1.5" into int.'),
        ("--port 65536", 'Invalid value "65536" for --port. Must be 0 to 65535.'),
        ("--port -1", 'Invalid value "-1" for --port. Must be 0 to 65535.'),
        ("--margin-ms nan", 'Invalid value for --margin-ms: unable to convert "nan" into float.'),
        ("--mode sparse", 'Invalid value "sparse" for --mode. Choose from: "auto", "dense".'),
        ("--data=", 'Invalid value for --data: unable to convert "" into Path.'),
        ("--clients 1,a", 'Invalid value for --clients: unable to convert "a" into int.'),
        ("--clients 0,2", 'Invalid value "(0, 2)" for --clients. Must be 1 or more.'),
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
        'Invalid value "65536" for SHORTLIST_PORT provided by the environment. Must be 0 to 65535.'
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[greet]\nport = 'abc'", 'Invalid value for [greet][port] from {path}: unable to convert "abc" into int.'),
        ("[greet]\nport = true", 'Invalid value for [greet][port] from {path}: unable to convert "True" into int.'),
        ("[greet]\nport = 65536", 'Invalid value "65536" for [greet][port] provided by {path}. Must be 0 to 65535.'),
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
        ("[greet]\nprot = 1", "{path}: [greet] has no setting 'prot'; did you mean 'port'?"),
        ("[greet]\nno_create = true", "{path}: [greet] has no setting 'no_create'; did you mean 'create'?"),
        ("[greet]\ntop-k = 1", "{path}: [greet] has no setting 'top-k'; did you mean 'top_k'?"),
        (
            "[greet]\nextra = {id = {a = 1}}",
            'Invalid value for [greet][extra][id][a] from {path}: unable to convert "1" into str.',
        ),
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
    assert refusal() == "--name is missing."
