"""`python -m shortlist.bench.studies.token_peers`: settings in, tables and a JSON object out."""

import asyncio
import sys
from dataclasses import asdict

from shortlist.bench.studies import study
from shortlist.server import cores

from . import comparison, report
from .settings import TokenPeersSettings

_DESCRIPTION = """\
Put Shortlist's late interaction beside PyLate (PLAID by fast-plaid) and Stanford's colbert-ai (its own PLAID): the
same model, passages, threads and machine, in turns. Passages are encoded, indexed, searched, and reranked by MaxSim;
MaxSim of the same texts is compared first. A peer that is not installed is left out. Of Shortlist the parts that the
server runs take part, without the server: the peers are libraries. Linux only. Prints tables in markdown."""
_OPTIONS = """\
--model MODEL --late-interaction BUNDLE \\
    --embedder .demo/embedder --collection squad-dev    # `make late-interaction-peers` gives all of them"""


def main() -> int:
    """Compare and print; return the exit code."""
    return study.main("token_peers", TokenPeersSettings, _DESCRIPTION, _OPTIONS, run)


def run(settings: TokenPeersSettings) -> int:
    """Compare, print, and return the exit code."""
    outcomes, left_out = asyncio.run(comparison.run(settings))
    study.show(f"{cores.usable()} cores of {cores.processor()}; {settings.threads} threads each\n")
    study.show(report.markdown(outcomes))
    for name, why in left_out.items():
        study.show(f"left out: {name}: {why}")
    return study.finish({"outcomes": [asdict(one) for one in outcomes], "left_out": left_out})


if __name__ == "__main__":
    sys.exit(main())
