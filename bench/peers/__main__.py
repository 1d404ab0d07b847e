"""`python -m shortlist.bench.peers`: settings in, tables and one line of JSON out."""

import asyncio
import sys

from shortlist.bench import command
from shortlist.bench.peers import comparison, report
from shortlist.bench.peers.settings import PeersSettings

_DESCRIPTION = """\
Put the same load on Shortlist and on its peers, on one machine, in turns: infinity, sentence-transformers with
PyTorch and with ONNX (torch, onnx), and the bare onnxruntime loop (offline), all with the same graph where they run
one. Lists are reranked, short texts embedded and a collection searched. Prints tables in markdown; the last line is
JSON."""
_EXAMPLES = "  make peers"


def main() -> int:
    """Compare and print; return the exit code."""
    return command.main("peers", PeersSettings, _DESCRIPTION, _EXAMPLES, run)


def run(settings: PeersSettings) -> int:
    """Compare, print tables and JSON, and return the exit code."""
    found = asyncio.run(comparison.run(settings, lambda line: print(line, file=sys.stderr, flush=True)))
    print(report.markdown(found))
    print(report.as_json(found))
    return command.OK


if __name__ == "__main__":
    sys.exit(main())
