"""The `shortlist` command: which commands there are, and how each of them ends.

Exit codes: 0 done; 1 the server said no or does not answer, or the output cannot be written; 2 what was given cannot
be used, or the server cannot start; 130 Ctrl-C. An error is one line on standard error.
"""

import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from shortlist.client import errors
from shortlist.console import command_line, options, output
from shortlist.console.command import Command
from shortlist.server.errors import StartupError

from . import bench, collections, describe, documents, export, finetune, index, rerank, search, serve, tune

COMMANDS: dict[str, Command] = {
    "finetune": finetune.COMMAND,
    "export": export.COMMAND,
    "tune": tune.COMMAND,
    "serve": serve.COMMAND,
    "index": index.COMMAND,
    "search": search.COMMAND,
    "rerank": rerank.COMMAND,
    "describe": describe.COMMAND,
    "collections": collections.COMMAND,
    "get": documents.GET,
    "delete": documents.DELETE,
    "bench": bench.COMMAND,
}

_USAGE = """\
usage: shortlist COMMAND ...

Two-stage retrieval: a dual encoder shortlists documents, a cross-encoder picks the best of them.

commands, in the order in which they are first used:
{commands}

  shortlist export sentence-transformers/all-MiniLM-L6-v2 --out bundles/embedder
  shortlist export cross-encoder/ms-marco-MiniLM-L6-v2 --out bundles/reranker
  shortlist serve --embedder bundles/embedder --reranker bundles/reranker
  shortlist index --collection notes notes/
  shortlist search --collection notes "how do I renew the certificate?"

`shortlist COMMAND --help` describes a command and its settings. Each setting is a flag, a variable SHORTLIST_...,
and a key in the command's table of the TOML file that --config names. `shortlist --version` prints the version."""

_OK, _FAILED, _UNUSABLE, _INTERRUPTED, _PIPE_CLOSED = 0, 1, 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if sys.stderr is None:
        # `print` would put errors among the results, and progress has no terminal to ask for.
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 (open as long as the process)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a document may hold what the terminal's encoding cannot show
    try:
        return _run(name, rest)
    except (options.UsageError, StartupError) as error:
        return _failed(name, error, _UNUSABLE)
    except errors.Unavailable as error:
        hint = "is a server there? `shortlist serve` starts one, --address names another"
        return _failed(name, f"{error}; {hint}", _FAILED)
    except (errors.ShortlistError, output.OutputError) as error:
        return _failed(name, error, _FAILED)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # nobody reads any more, as behind `| head`
        output.discard()
        return _PIPE_CLOSED


def _run(name: str, arguments: Sequence[str]) -> int:
    if sys.stdout is None:
        # Whatever is opened next, a socket or a database, would get the descriptor that libraries print to.
        raise output.OutputError("standard output is closed; send it to /dev/null if nobody reads it")
    if name in {"-h", "--help"}:
        output.write(_usage())
        return _OK
    if name == "--version":
        output.write(f"shortlist {version('shortlist')}")
        return _OK
    if name not in COMMANDS:
        hint = f"shortlist: there is no command {name!r}{options.did_you_mean(name, COMMANDS)}"
        print(hint if name else _usage(), file=sys.stderr)
        return _UNUSABLE
    command = COMMANDS[name]
    settings = command.settings()
    parser = command_line.parser(name, settings, description=command.description, examples=command.examples)
    given = parser.given(arguments)
    return command.run(options.read(settings, name, given, environment=os.environ, tables=COMMANDS))


def _failed(name: str, reason: object, code: int) -> int:
    # One line: what a script's log keeps, and what grep finds.
    print(f"{f'shortlist {name}'.rstrip()}: {' '.join(str(reason).split())}", file=sys.stderr)
    return code


def _usage() -> str:
    width = max(map(len, COMMANDS))
    return _USAGE.format(commands="\n".join(f"  {name:{width}}  {one.summary}" for name, one in COMMANDS.items()))


if __name__ == "__main__":
    sys.exit(main())
