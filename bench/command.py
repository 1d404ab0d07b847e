"""The frame of a benchmark that is a module: settings in, one line on standard error for what cannot be done."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from shortlist.client import command_line, options
from shortlist.client.errors import ShortlistError
from shortlist.server.errors import StartupError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")

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
