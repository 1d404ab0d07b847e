"""`shortlist serve`: run the server, if it is installed."""

from typing import Annotated

from shortlist.console import command_line, output
from shortlist.console.extras import needs
from shortlist.server.settings import Settings

COMMAND = command_line.command(
    "serve",
    """\
shortlist serve --embedder bundles/minilm --reranker bundles/ms-marco --data /var/lib/shortlist
shortlist serve --config /etc/shortlist.toml --log-level debug
SHORTLIST_PORT=0 shortlist serve""",
)


@COMMAND.default
def run(*, chosen: Annotated[Settings, command_line.FLAT] = Settings()) -> int:
    """Run the server.

    It loads two bundles that `shortlist export` wrote, opens the collections in the data folder, and serves both over
    gRPC, and with --http-port over HTTP, until SIGTERM or Ctrl-C. It then refuses new calls, finishes those under
    way, and ends.

    When it serves, it prints "listening on HOST:PORT" on standard output, and "listening on http://HOST:PORT" for
    HTTP; everything else is on standard error. Whatever keeps it from starting ends it with one line and exit code 2.
    It needs one of the extras cpu, gpu and openvino; HTTP needs http, too.
    """
    with needs("serve", "cpu, gpu or openvino"):
        from shortlist.server import app  # noqa: PLC0415 (the base install does not have what it imports)

    return app.run(chosen, output.write)
