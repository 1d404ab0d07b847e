"""The frame of benchmarks: settings in; tables or one JSON object out; one line for what cannot be done."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from shortlist.console import command_line, ending, output
from shortlist.console.ending import FAILED, INTERRUPTED, OK

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["FAILED", "INTERRUPTED", "OK", "main", "result", "show"]

_Settings = TypeVar("_Settings", bound="DataclassInstance")


def main(
    module: str, settings: type[_Settings], description: str | None, examples: str, run: Callable[[_Settings], int]
) -> int:
    """Read the settings of a command that is a module, run it, and return the exit code.

    Args:
        module: its name below `shortlist`; the last part names its table in a TOML file.
        settings: what can be set.
        description: what it does.
        examples: of how to call it.
        run: takes the settings and returns the exit code.
    """
    program = f"python -m shortlist.{module}"
    app = command_line.program(program, [module.rpartition(".")[2]], examples, help=description)
    command_line.add(app, settings, run)
    return ending.of(program, lambda: command_line.run(app, sys.argv[1:]))


def show(text: str, *, beside_json: bool) -> None:
    """Print what people read; on standard error, where the other one is for the JSON object alone."""
    if beside_json:
        print(text, file=sys.stderr, flush=True)
    else:
        output.write(text)


def result(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print the result as JSON."""
    output.write(json.dumps(value))
