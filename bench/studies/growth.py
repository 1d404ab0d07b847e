"""Measure how searches, memory and the start of a server grow with the documents of a collection.

For each size a collection is filled with pieces of real texts (`pieces.py`), and a server started. Measured are
recall@50 of stage one against an exact search, memory, disk, the start, and the levels of `shortlist bench`, whose
settings these are as well, with the share of the time that the server's slots and cores were busy. With --boilerplate
stage one has to find its way among copies and near copies.

Embedding a million pieces takes half an hour and more, and indexing them too: --pieces and --data keep them. Ctrl-C
ends the level under way and tells what there is. Linux only.
"""

import asyncio
import contextlib
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from shortlist.bench import command, texts
from shortlist.bench.app import event_loop
from shortlist.bench.benchmark import Benchmark, part
from shortlist.bench.outcome import plain
from shortlist.bench.settings import BenchSettings
from shortlist.bench.texts import Draw, Texts
from shortlist.console.errors import UsageError
from shortlist.server.settings import within

from . import recall, study, watched
from .boilerplate import Place
from .filled_collections import COLLECTION, Source, documents_of, served
from .study import Bundles

_MOST = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthSettings(BenchSettings):
    """The settings of `shortlist bench`, and the collections that grow."""

    sizes: Annotated[tuple[int, ...], Parameter(metavar="N,N"), within(1, _MOST)] = (1000, 10_000, 100_000, 1_000_000)
    """documents in a collection, one size after another"""
    folders: Annotated[tuple[Path, ...], Parameter(metavar="PATH,PATH")] = ()
    """judged collections as BEIR lays them out, whose passages are cut into pieces; default: collection-folder"""
    pieces: Path | None = None
    """folder to keep the vectors of pieces in, for another time; else they are removed"""
    data: Path | None = None
    """folder to keep the filled collections in, for another time; else they are removed"""
    boilerplate: Place = "none"
    """where lines that are copies and near copies of each other are put in"""
    lines: Annotated[int, within(1)] = 8000
    """of boilerplate"""
    recall_queries: Annotated[int, within(1)] = 200
    """queries that recall@50 is taken over"""

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        BenchSettings.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if self.load not in {"dense", "search"}:
            raise UsageError(f"load is {self.load}, but only a search meets the documents: give dense or search")
        if not self.folders and self.collection_folder is None:
            raise UsageError("folders and collection-folder are not set: name collections to cut into pieces")
        self.bundles()

    def bundles(self) -> Bundles:
        """Return the bundles of the server."""
        if self.embedder is None or self.reranker is None:
            raise UsageError("embedder and reranker are not set: a collection that grows has a server of its own")
        return Bundles(embedder=self.embedder, reranker=self.reranker)

    def source(self, kept: Path) -> Source:
        """Return where documents come from; the vectors of pieces are kept in this folder if none is set."""
        own = [self.collection_folder] if self.collection_folder else []
        return Source(self.folders or own, self.pieces or kept, self.boilerplate, self.lines)

    def benchmark(self, address: str, clients: int) -> BenchSettings:
        """Return the settings of one level."""
        own = {"address": address, "collection": COLLECTION, "clients": (clients,)}
        return part(BenchSettings, self, **own, embedder=None, reranker=None, json=True)


def main() -> int:
    """Measure and print; return the exit code."""
    options = "--load dense --clients 1,8 --sizes 1000,10000 \\\n    --collection-folder squad-train --data growth"
    options += " --embedder .demo/embedder --reranker .demo/reranker"
    return study.main("growth", GrowthSettings, __doc__, options, run)


def run(chosen: GrowthSettings) -> int:
    """Measure size after size, print, and return the exit code."""
    real = texts.find(chosen.candidates, chosen.collection_folder, chosen.corpus, chosen.queries)
    rows: list[dict[str, Any]] = []
    ended = False
    with (
        tempfile.TemporaryDirectory(prefix="shortlist-pieces-") as kept,
        contextlib.suppress(KeyboardInterrupt),  # while a collection is filled or a server starts; else a level ends
    ):
        source = chosen.source(Path(kept))
        ended = all(_measured(chosen, size, real, source, rows) for size in sorted(set(chosen.sizes)))
    return study.finish(plain(rows), command.OK if ended else command.INTERRUPTED)


def _measured(chosen: GrowthSettings, size: int, real: Texts, source: Source, rows: list[dict[str, Any]]) -> bool:
    """Add the levels of one size, with what is known of its collection and server; return False if interrupted."""
    with served(chosen.data, chosen.bundles(), source, size) as (server, data, filled):
        queries = real.queries[: chosen.recall_queries]
        facts: dict[str, Any] = {
            "documents": size,
            **recall.measure(server.address, COLLECTION, documents_of(data), queries),
            **({"indexed_per_s": filled.documents / filled.index_s} if filled.documents else {}),
            "start_s": server.start_s,
            "disk_mb": sum(one.stat().st_size for one in data.rglob("*") if one.is_file()) / 1e6,
        }
        for clients in chosen.client_levels():
            settings = chosen.benchmark(server.address, clients)
            benchmark = Benchmark(settings, Draw(real, chosen.seed, secrets.randbits(32)), server.address)
            before = server.usage()
            with asyncio.Runner(loop_factory=event_loop) as runner:
                runner.run(benchmark.run())
            after = server.usage()
            used = watched.between(before, after)
            told = {
                **facts,
                "rss_mb": after.rss_bytes / 1e6,
                "busy_slots": used.slots / after.slots,
                "server_cores": used.cores,
            }
            rows += [told | {"level": level} for level in benchmark.levels]
            study.row(told)
            if benchmark.stop.is_set():
                return False
    return True


if __name__ == "__main__":
    sys.exit(main())
