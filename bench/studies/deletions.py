"""Measure what deleting half of a collection leaves behind: memory and recall, beside one that never had that half.

Fills two collections with pieces of real texts, of --documents and of half as many, each with a server of its own.
The first deletes the second half of its documents while it serves, and its index is made anew in the background;
then both hold the same. Told are memory (at once, and after another start), the size of the index's file, recall@50
against an exact search, and how long deleting and making anew took. Linux only.
"""

import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from shortlist.bench import command, texts
from shortlist.client import Client
from shortlist.server.settings import within

from . import recall, study, watched
from .filled_collections import COLLECTION, Source, documents_of, served
from .study import Bundles
from .watched import Watched

_BATCH = 500
_POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionsSettings(Bundles):
    """The settings of one measurement."""

    folders: Annotated[tuple[Path, ...], Parameter(metavar="PATH,PATH")]
    """judged collections as BEIR lays them out, whose passages are cut into pieces; the first one has the queries"""
    documents: Annotated[int, within(4000)] = 100_000
    """documents before half are deleted"""
    queries: Annotated[int, within(1)] = 200
    """queries that recall@50 is taken over"""
    pieces: Path | None = None
    """folder to keep the vectors of pieces in, for another time; else they are removed"""


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("deletions", DeletionsSettings, __doc__, "--folders squad-train,cranfield", run)


def run(chosen: DeletionsSettings) -> int:
    """Measure both collections, print, and return the exit code."""
    asked = texts.find(None, chosen.folders[0], None, None).queries[: chosen.queries]
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-deletions-")))
        source = Source(chosen.folders, chosen.pieces or work / "pieces")
        for documents in (chosen.documents // 2, chosen.documents):
            with served(work, chosen, source, documents) as (server, data, _):
                told = {"documents": documents, "rss_mb": server.rss_bytes() / 1e6, "file_mb": _file_mb(data)}
                if documents == chosen.documents:
                    told |= _halved(server, data, documents)
                told |= recall.measure(server.address, COLLECTION, documents_of(data), asked)
            with watched.serving(*chosen.options, "--data", str(data)) as again:
                told |= {"rss_mb_again": again.rss_bytes() / 1e6, "start_s_again": again.start_s}
            shutil.rmtree(data)
            rows.append(told)
            study.row(told)
    return study.finish(rows, command.OK)


def _halved(server: Watched, data: Path, documents: int) -> dict[str, float]:
    """Delete the second half of the documents, and return what that took and left once the index is made anew."""
    began_s, before_mb, most = time.monotonic(), _file_mb(data), 0.0
    ids = [str(number) for number in range(documents // 2, documents)]
    with Client(server.address) as client:
        for start in range(0, len(ids), _BATCH):
            client.delete(COLLECTION, ids[start : start + _BATCH])
            most = max(most, server.rss_bytes() / 1e6)
    deleted_s = time.monotonic() - began_s
    # The file is saved once the index is made anew, and is half as large then.
    while _file_mb(data) > 0.6 * before_mb:
        time.sleep(_POLL_S)
        most = max(most, server.rss_bytes() / 1e6)
    return {
        "deleted_s": deleted_s,
        "made_anew_s": time.monotonic() - began_s - deleted_s,
        "most_rss_mb": most,
        "left_rss_mb": server.rss_bytes() / 1e6,
        "left_file_mb": _file_mb(data),
    }


def _file_mb(data: Path) -> float:
    return documents_of(data).with_name("vectors.usearch").stat().st_size / 1e6


if __name__ == "__main__":
    sys.exit(main())
