"""`python -m shortlist.bench.peers`: settings in, tables and one line of JSON out."""

import asyncio
import os
import sys

from shortlist.bench.peers import comparison, report
from shortlist.bench.peers.settings import PeersSettings
from shortlist.client import options
from shortlist.client.errors import ShortlistError
from shortlist.server.errors import StartupError

_PROGRAM, _COMMAND = "python -m shortlist.bench.peers", "peers"
_DESCRIPTION = """\
Put the same load on Shortlist and on its peers, on one machine, in turns: infinity, sentence-transformers with
PyTorch and with ONNX (torch, onnx), and the bare onnxruntime loop (offline), all with the same graph where they run
one. Lists are reranked, short texts embedded and a collection searched. Prints tables in markdown; the last line is
JSON."""
_EXAMPLES = "  make peers"
_OK, _FAILED, _UNUSABLE = 0, 1, 2


def main() -> int:
    """Compare and print; return the exit code."""
    try:
        parser = options.parser(
            _COMMAND, PeersSettings, description=_DESCRIPTION, examples=_EXAMPLES, program=_PROGRAM
        )
        given = parser.given(sys.argv[1:])
        settings = options.read(PeersSettings, _COMMAND, given, environment=os.environ, tables=(_COMMAND,))
        found = asyncio.run(comparison.run(settings, lambda line: print(line, file=sys.stderr, flush=True)))
    except (options.UsageError, StartupError) as error:
        print(f"{_PROGRAM}: {' '.join(str(error).split())}", file=sys.stderr)
        return _UNUSABLE
    except ShortlistError as error:
        print(f"{_PROGRAM}: Shortlist: {error}", file=sys.stderr)
        return _FAILED
    print(report.markdown(found))
    print(report.as_json(found))
    return _OK


if __name__ == "__main__":
    sys.exit(main())
