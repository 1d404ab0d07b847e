"""Serve the demo's collection with the page that shows both stages of a search, until Ctrl-C.

`make ui` runs it. It uses what `make demo` made, and indexes what is missing.
"""

import contextlib
import socket
import sys
from urllib.parse import urlencode

from demo import questions
from demo.__main__ import COLLECTION, MODELS, index
from shortlist.bench import local
from shortlist.console import ending
from shortlist.console.progress import Steps

_HOST, _PORT = "127.0.0.1", 8080


def main() -> int:
    """Serve, and return the exit code."""
    return ending.of("make ui", run)


def run() -> int:
    """Serve until Ctrl-C or the server's end, and return the exit code."""
    port = choose_port()
    with contextlib.ExitStack() as stack:
        with Steps(sys.stderr) as steps:
            steps.say("starting a server with both models")
            process = stack.enter_context(local.start((*MODELS, "--http-port", str(port), "--log-level", "warning")))
            stack.callback(process.terminate)
            address = local.address(process)
        index(address)
        asked = urlencode({"collection": COLLECTION, "q": next(iter(questions.ANSWERS))})
        print(
            f"\nthe page:  http://{_HOST}:{port}/ui/#/search?{asked}\ngRPC:      {address}\n\nCtrl-C ends it.",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()
    return 0


def choose_port() -> int:
    """Return a port that a person can remember, or any where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, _PORT))
        except OSError:
            return local.free_port(_HOST)
    return _PORT


if __name__ == "__main__":
    sys.exit(main())
