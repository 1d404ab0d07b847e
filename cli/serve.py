"""`shortlist serve`: run the server, if it is installed."""

from typing import TYPE_CHECKING

from shortlist.console import output
from shortlist.console.command import Command
from shortlist.console.extras import needs

if TYPE_CHECKING:
    from shortlist.server.settings import Settings


def settings() -> "type[Settings]":
    """Return the server's settings; importing them needs no extra."""
    from shortlist.server.settings import Settings  # noqa: PLC0415 (no other command needs it)

    return Settings


def run(chosen: "Settings") -> int:
    """Serve until SIGTERM."""
    with needs("serve", "cpu, gpu or openvino"):
        from shortlist.server import app  # noqa: PLC0415 (the base install does not have what it imports)

    return app.run(chosen, output.write)


COMMAND = Command(
    summary="run the server",
    description="""\
Load two bundles that `shortlist export` wrote, open the collections in the data folder, and serve both over gRPC
until SIGTERM or Ctrl-C. It then refuses new calls, finishes those under way, and ends.

When it serves, it prints "listening on HOST:PORT" on standard output; everything else is on standard error. Whatever
keeps it from starting ends it with one line and exit code 2. It needs one of the extras cpu, gpu and openvino.""",
    examples="""\
  shortlist serve --embedder bundles/minilm --reranker bundles/ms-marco --data /var/lib/shortlist
  shortlist serve --config /etc/shortlist.toml --log-level debug
  SHORTLIST_PORT=0 shortlist serve""",
    settings=settings,
    run=run,
)
