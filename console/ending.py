"""How a program ends: its exit code, and one line on standard error for what kept it from its end.

Exit codes: 0 done; 1 the server said no or does not answer, or the output cannot be written; 2 what was given cannot
be used, or the server cannot start; 130 Ctrl-C. This module knows no command line, and needs no extra.
"""

import asyncio
import io
import os
import sys
from collections.abc import Callable

from shortlist.client import errors
from shortlist.server.errors import StartupError

from . import output
from .errors import UsageError

OK, FAILED, UNUSABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141


def of(program: str, run: Callable[[], int]) -> int:
    """Run a program and return its exit code.

    Args:
        program: how it was called, for the line that says why it ended.
        run: returns the exit code, or raises.
    """
    if sys.stderr is None:
        # `print` would put errors among the results, and progress has no terminal to ask for.
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 (open as long as the process)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a document may hold what the terminal's encoding cannot show
    try:
        if sys.stdout is None:
            # Whatever is opened next, a socket or a database, would get the descriptor that libraries print to.
            raise output.OutputError("standard output is closed; send it to /dev/null if nobody reads it")
        return run()
    except (UsageError, StartupError) as error:
        return _failed(program, error, UNUSABLE)
    except errors.Unavailable as error:
        hint = "is a server there? `shortlist serve` starts one, --address names another"
        return _failed(program, f"{error}; {hint}", FAILED)
    except (errors.ShortlistError, output.OutputError) as error:
        return _failed(program, error, FAILED)
    except (KeyboardInterrupt, asyncio.CancelledError):  # the latter from a second Ctrl-C under an event loop
        return INTERRUPTED
    except BrokenPipeError:  # nobody reads any more, as behind `| head`
        output.discard()
        return PIPE_CLOSED


def _failed(program: str, reason: object, code: int) -> int:
    # One line: what a script's log keeps, and what grep finds.
    print(f"{program}: {' '.join(str(reason).split())}", file=sys.stderr)
    return code
