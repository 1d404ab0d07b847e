"""The frame of benchmarks: settings in; tables or one JSON object out; one line for what cannot be done."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
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
    name: str, settings: type[_Settings], description: str, examples: str, run: Callable[[_Settings], int]
) -> int:
    """Read the settings of `python -m shortlist.bench.NAME`, run it, and return the exit code."""
    program = f"python -m shortlist.bench.{name}"
    try:
        parser = command_line.parser(name, settings, description=description, examples=examples, program=program)
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


def result(value: Mapping[str, Any]) -> None:
    """Print the JSON object."""
    output.write(json.dumps(value))
