"""Run a command beside a server of its own, and end with the command's exit code.

    .venv/bin/python tests/clients/with_server.py [--embedder BUNDLE] [--reranker BUNDLE] [--serve=OPTION] COMMAND...

The server has the demo's models (`make bundles`) unless others are named, a data folder that is removed at the end,
and free ports. The command finds it by two variables: SHORTLIST_ADDRESS=HOST:PORT is gRPC's, and
SHORTLIST_HTTP=http://HOST:PORT that of everything else. It may run in any environment: this one alone needs the
server's.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from shortlist.bench import local

_DEMO = Path(__file__).parents[2] / ".demo"
_HOST = "127.0.0.1"


def main() -> int:
    """Start the server, run the command, stop the server."""
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("\n")[2].strip())
    parser.add_argument("--embedder", default=str(_DEMO / "embedder"))
    parser.add_argument("--reranker", default=str(_DEMO / "reranker"))
    parser.add_argument("--serve", action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("a command is needed")
    port = local.free_port(_HOST)
    options = ["--embedder", arguments.embedder, "--reranker", arguments.reranker, "--log-level", "warning"]
    with local.fresh(*options, *arguments.serve, "--http-port", str(port)) as address:
        environment = os.environ | {"SHORTLIST_ADDRESS": address, "SHORTLIST_HTTP": f"http://{_HOST}:{port}"}
        return subprocess.run(arguments.command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
