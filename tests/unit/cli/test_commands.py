"""The command line: which commands there are, how each ends, and what the base install can import."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shortlist.cli import main
from shortlist.console import extras

# What the extras bring; a client must run without any of it.
_EXTRAS = (
    "google.rpc",
    "grpc_health",
    "grpc_reflection",
    "grpc_status",
    "huggingface_hub",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "optimum",
    "peft",
    "pytrec_eval",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
    "usearch",
)

_COMMAND = ("cyclopts", "lark", "markdown_it", "rich")

_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def python(code, *arguments, without=(*_COMMAND, *_EXTRAS)):
    """Run code in an interpreter of its own that has none of what the extras bring."""
    block = f"import sys; sys.modules.update(dict.fromkeys({without}))"
    return subprocess.run(
        [sys.executable, "-c", f"{block}\n{code}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command(capsys):
    """`shortlist --help` lists all commands and what each is for."""
    assert main.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert list(main.COMMANDS) == re.findall(r"^│ (\w[\w-]*) +\w.*\.", shown, re.MULTILINE)


def test_nothing_given(capsys):
    """`shortlist` alone explains itself on standard error and fails."""
    assert main.main([]) == 2
    assert capsys.readouterr().err.startswith("Usage: shortlist COMMAND")


def test_version(capsys):
    """`shortlist --version` tells name and version."""
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("shortlist 0.")


def test_unknown_command(capsys):
    """A command that is not there ends with the nearest one that is."""
    assert main.main(["serch"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('shortlist serch: Unknown command "serch". Did you mean "search"? Available commands: ')


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_of_every_command(name, capsys):
    """Each command's help has a description, its settings with help, and examples."""
    assert main.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: shortlist {name} ")
    assert f"\nExamples:\n  shortlist {name}" in shown
    module, _, command = main.COMMANDS[name].partition(":")
    found = getattr(importlib.import_module(f"shortlist.cli.{module}"), command)
    assert all(
        one.parameter.help for one in found.assemble_argument_collection(parse_docstring=True) if not one.children
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["search", "hello"],
            "--collection is missing. See `shortlist search --help`.",
        ),
        (
            ["search", "--collection"],
            'Command "search" parameter --collection requires an argument. See `shortlist search --help`.',
        ),
        (
            ["search", "--collection=x", "how", "do", "I"],
            "Unused Tokens: ['do', 'I']. Put quotes around several words that are one argument. See `shortlist",
        ),
        (
            ["search", "--collection=x", "--tpo-k=3", "q"],
            "Unknown option: --tpo-k=3. Did you mean --top-k? See `shortlist",
        ),
        (["serve", "--port", "70000"], 'Invalid value "70000" for --port. Must be 0 to 65535. See `shortlist serve'),
        (
            ["index", "--collection=x", "--patience-s=0", "f"],
            'Invalid value "0.0" for --patience-s. Must be 0.1 or more.',
        ),
        (["index", "--collection=x", "-", "-"], "standard input (-) can be read only once"),
        (["index", "--collection=x", ""], "a path is empty; name a file or a folder, . for this one"),
        (["index", "--collection=x", "--", "-f.txt"], "-f.txt: no such file or folder"),
        (["index", "--collection=x", "--config=/nowhere.toml", "f"], "/nowhere.toml: cannot be read"),
        (["index", "f", "--config=/nowhere.toml", "--collection=x"], "/nowhere.toml: cannot be read"),
        (["index", "--bogus", "f"], "Unknown option: --bogus. See `shortlist index"),
        (["index", "--collection=x", "/nowhere"], "/nowhere: no such file or folder"),
        (["index", "--collection=x", "--timeout-s=0", "f"], "timeout_s: got 0.0, but it must be more than 0; "),
        (["describe", "--timeout-s=-1"], "timeout_s: got -1.0, but it must be more than 0; "),
        (["describe", "--timeout-s=1e300"], "timeout_s: got 1e+300, but 2,592,000 (30 days) is the most; "),
        (["describe", "--address="], "address: got '', but it must not be empty; "),
    ],
)
def test_what_cannot_be_used(arguments, message, capsys):
    """Whatever is wrong with what was given is one line on standard error, and exit code 2."""
    assert main.main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"shortlist {arguments[0]}: {message}")


def test_no_server(capsys):
    """A server that is not there is one line with what to do, and exit code 1."""
    assert main.main(["describe", "--address", "127.0.0.1:1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("shortlist describe: ")
    assert line.endswith("; is a server there? `shortlist serve` starts one, --address names another")


def test_the_client_runs_on_the_base_install():
    """Nothing that a client imports needs an extra."""
    result = python("import shortlist.client, shortlist.cli.main")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("search", "q")])
def test_the_command_names_its_own_extra(arguments):
    """On the base install, `shortlist` says in one line what to install, whatever it is asked for."""
    result = python("from shortlist.cli import main; sys.exit(main.main(sys.argv[1:]))", *arguments)
    (line,) = result.stderr.splitlines()
    assert result.returncode == 2
    assert line.endswith("install the extra command, in a clone of Shortlist: pip install '.[command]'")


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["serve"], "pip install '.[cpu]'"),
        (["export", "m", "--out=b"], "'.[export]'"),
        (["eval", "folder"], "'.[bench]'"),
    ],
)
def test_a_missing_extra_is_named(arguments, extra):
    """A command whose packages are missing says in one line what to install."""
    program = "from shortlist.cli import main; sys.exit(main.main(sys.argv[1:]))"
    result = python(program, *arguments, without=_EXTRAS)
    assert result.returncode == 2
    assert extra in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_module_of_our_own_is_no_extra():
    """A defect of ours is not told as something to install."""
    with pytest.raises(ModuleNotFoundError), extras.needs("serve", "cpu"):
        raise ModuleNotFoundError("No module named 'shortlist.server.nothing'", name="shortlist.server.nothing")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(
            "--help >/dev/full",
            1,
            "shortlist --help: standard output cannot be written: No space left on device",
            marks=_FULL,
        ),
        pytest.param(
            "serve --help >/dev/full",
            1,
            "shortlist serve: standard output cannot be written: No space left on device",
            marks=_FULL,
        ),
        ("--help >&-", 1, "shortlist --help: standard output is closed; send it to /dev/null if nobody reads it"),
        (">&-", 1, "shortlist: standard output is closed; send it to /dev/null if nobody reads it"),
        ("describe --address= 2>&-", 2, ""),
        ("rerank q <&-", 2, "shortlist rerank: standard input is closed; name what to read, or redirect it"),
        (
            "rerank q </dev/null",
            2,
            "shortlist rerank: there is nothing to score; give texts as arguments, or as lines of standard input",
        ),
    ],
)
def test_streams_that_cannot_be_used(words, code, message):
    """Output that cannot be written, and input that is not there, are one line and no traceback."""
    command = f"exec {sys.executable} -m shortlist.cli.main {words}"
    result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr.strip(), result.stdout) == (code, message, "")


def test_a_reader_that_left():
    """Output into a pipe that nobody reads ends quietly."""
    command = f"{sys.executable} -m shortlist.cli.main --help | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (result.stdout.strip() in {"0", "141"}, result.stderr) == (True, "")
