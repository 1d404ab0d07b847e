"""`python -m shortlist.bench.studies.peers`: settings in, tables or a JSON object out."""

import asyncio
import sys

from shortlist.bench import command

from . import comparison, report
from .settings import PeersSettings

_DESCRIPTION = """\
Put the same load on Shortlist and on its peers, on one machine, in turns: infinity, sentence-transformers with
PyTorch and with ONNX (torch, onnx), and the bare onnxruntime loop (offline), all with the same graph where they run
one. Lists are reranked, short texts embedded and a collection searched. Prints tables in markdown."""
_EXAMPLES = "  make peers"


def main() -> int:
    """Compare and print; return the exit code."""
    return command.main("bench.studies.peers", PeersSettings, _DESCRIPTION, _EXAMPLES, run)


def run(settings: PeersSettings) -> int:
    """Compare, print, and return the exit code."""
    found = asyncio.run(comparison.run(settings, lambda line: print(line, file=sys.stderr, flush=True)))
    command.show(report.markdown(found), beside_json=settings.json)
    if settings.json:
        command.result(report.plain(found))
    return command.OK


if __name__ == "__main__":
    sys.exit(main())
