"""`python -m shortlist.bench.studies.peers`: settings in, tables and a JSON object out."""

import asyncio
import sys

from shortlist.bench.studies import study

from . import comparison, report
from .settings import PeersSettings

_DESCRIPTION = """\
Put the same load on Shortlist and on its peers, on one machine, in turns: infinity, sentence-transformers with
PyTorch and with ONNX (torch, onnx), and the bare onnxruntime loop (offline), all with the same graph where they run
one. Lists are reranked, short texts embedded and a collection searched. Prints tables in markdown."""
_OPTIONS = """\
--embedder-model MODEL --reranker-model MODEL \\
    --candidates lists.json --collection squad-dev    # `make peers` gives all of them"""


def main() -> int:
    """Compare and print; return the exit code."""
    return study.main("peers", PeersSettings, _DESCRIPTION, _OPTIONS, run)


def run(settings: PeersSettings) -> int:
    """Compare, print, and return the exit code."""
    found = asyncio.run(comparison.run(settings))
    study.show(report.markdown(found))
    return study.finish(report.plain(found))


if __name__ == "__main__":
    sys.exit(main())
