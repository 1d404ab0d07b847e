"""`shortlist bench`: put load on a server and measure it."""

from typing import Annotated

from shortlist.bench.settings import BenchSettings
from shortlist.console import command_line
from shortlist.console.extras import needs

COMMAND = command_line.command(
    "bench",
    """\
shortlist bench
shortlist bench --embedder bundles/embedder --reranker bundles/reranker --clients 1,8 --passages 100
shortlist bench --load search --collection notes --queries queries.jsonl --rates 2,4,8 --plot search.png
shortlist bench --load mixed --mix search=8,ingest=1 --deadline-ms 500 --rates 10 --json | jq .levels""",
)


@COMMAND.default
def run(*, chosen: Annotated[BenchSettings, command_line.FLAT] = BenchSettings()) -> int:
    """Put load on a server and measure it.

    It goes level after level, and shows latency, throughput, and where the time went.

    A closed loop (--clients) is a number of clients that each wait for an answer before they send again: it shows
    what the server can do. An open loop (--rates) sends at random times whether or not answers come, as many
    users do, and counts latency from the time that a request was due: it shows what users would see. Without
    either there are 1, 2, 4 and 8 clients.

    Each level warms up, then goes on window by window until three in a row agree in throughput and median
    latency; one that never settles says so. Every request is different, so that caches do not make the server
    look faster. Times are in milliseconds; "server" is the server's time outside its phases, "client" that of
    network and load generator.

    Texts are those that ship, or yours: --candidates, --collection-folder, or --corpus and --queries. Searches
    want a collection: --collection, or one is made, filled with --documents passages, and dropped at the end.
    With --embedder and --reranker a server is started for the benchmark, else it is that at --address. Let
    nothing else run on either machine. Ctrl-C ends the level under way and shows what there is. --json prints all
    that was measured as one object on standard output, and the table on standard error. --plot needs the extra
    bench.
    """
    from shortlist.bench import app  # noqa: PLC0415 (`shortlist --help` reads only what is above)

    if chosen.plot is None:
        return app.run(chosen, None)
    with needs("bench --plot", "bench"):
        from shortlist.bench import plot  # noqa: PLC0415 (the base install does not have what it imports)

    return app.run(chosen, plot.draw)
