"""The frame of benchmarks: settings in; tables or one JSON object out; one line for what cannot be done."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from shortlist.client.errors import ShortlistError
from shortlist.console import command_line, options, output
from shortlist.server.errors import StartupError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")

JSON = {"help": "print the result as one JSON object, and tables on standard error"}
"""What every benchmark's setting `json` says of itself."""

OK, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130


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
    name = module.rpartition(".")[2]
    program = f"python -m shortlist.{module}"
    try:
        parser = command_line.parser(
            name, settings, description=description or "", examples=examples, program=program
        )
        given = parser.given(sys.argv[1:])
        return run(options.read(settings, name, given, environment=os.environ, tables=(name,)))
    except (options.UsageError, StartupError) as error:
        print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr)
        return UNUSABLE
    except (KeyboardInterrupt, asyncio.CancelledError):  # a second Ctrl-C, or one before anything was measured
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except ShortlistError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return FAILED


def show(text: str, *, beside_json: bool) -> None:
    """Print what people read; on standard error, where the other one is for the JSON object alone."""
    if beside_json:
        print(text, file=sys.stderr, flush=True)
    else:
        output.write(text)


def result(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print the result as JSON."""
    output.write(json.dumps(value))
