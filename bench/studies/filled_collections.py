"""Fill a collection of pieces of real texts in a data folder, without a server.

The same pieces and number make the same collection, and one that was filled in part is filled up. Rows are written as
the server writes them; the index is what the server makes of them when it opens the folder.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress
from shortlist.server.inference.models import Embedder
from shortlist.server.storage import unit_vectors
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document
from shortlist.server.storage.documents import Documents

from . import boilerplate, models, pieces, watched
from .boilerplate import Place
from .pieces import Embedded
from .study import Bundles
from .watched import Watched

COLLECTION = "growth"
_TRANSACTION = 1000


class Filled(NamedTuple):
    """What filling took."""

    documents: int  # that were added
    index_s: float  # bringing the index up to them


@dataclass(frozen=True, slots=True)
class Source:
    """Where documents come from."""

    folders: Sequence[Path]  # judged collections, whose passages are cut
    kept: Path  # where the vectors of pieces are kept
    place: Place = "none"  # of boilerplate among them
    lines: int = 0  # of boilerplate

    def made(self, model: Embedder, documents: int) -> Embedded:
        """Return so many documents as the embedder has them.

        Raises:
            UsageError: there are not so many.
        """
        lines = 0 if self.place == "none" else min(self.lines, documents)
        texts = [piece.text for piece in pieces.cut(self.folders)]
        if documents - lines > len(texts):
            raise UsageError(
                f"the folders hold {len(texts):,} pieces, but {documents - lines:,} are wanted; name more --folders,"
                " or fewer documents"
            )
        real = pieces.embedded(model, texts, documents - lines, self.kept)
        return _among(real, self.place, lines, model) if lines else real


def _among(real: Embedded, place: Place, lines: int, model: Embedder) -> Embedded:
    """Return pieces with boilerplate among them."""
    texts = boilerplate.among(real.texts, place, lines)
    rows = {text: row for row, text in enumerate(real.texts)}
    new = [text for text in dict.fromkeys(texts) if text not in rows]
    vectors, tokens = models.embedded(model, new, "document")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows |= {text: len(real.texts) + row for row, text in enumerate(new)}
    places = [rows[text] for text in texts]
    all_tokens = [*real.tokens, *tokens]
    return Embedded(texts, np.concatenate([real.vectors, vectors])[places], [all_tokens[place] for place in places])


@contextlib.contextmanager
def served(
    kept: Path | None, bundles: Bundles, source: Source, documents: int
) -> Iterator[tuple[Watched, Path, Filled]]:
    """Fill a collection where it is not there yet, and serve it; yield server, data folder, and what filling took.

    Args:
        kept: folder with a data folder for each number of documents; None: one that is removed at the end.
        bundles: that the server runs.
        source: where documents come from.
        documents: how many there are to be.
    """
    with contextlib.ExitStack() as stack:
        kept = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-growth-")))
        data = kept / f"documents-{documents}"
        data.mkdir(parents=True, exist_ok=True)
        with Progress(sys.stderr, "filled", documents) as progress:
            filled = fill(data, bundles, source, documents, progress.update)
        yield stack.enter_context(watched.serving(*bundles.options, "--data", str(data))), data, filled


def documents_of(data: Path) -> Path:
    """Return where a data folder has the documents of the collection."""
    return data / "collections" / COLLECTION / "documents.sqlite"


def fill(data: Path, bundles: Bundles, source: Source, documents: int, watch: Callable[[int], None]) -> Filled:
    """Make a collection of so many documents in a data folder, unless it is there.

    Args:
        data: the folder.
        bundles: of the server that will open it.
        source: where documents come from.
        documents: how many there are to be.
        watch: takes how many there are by now.

    Raises:
        UsageError: the folder holds more documents already, or there are not so many.
        StartupError: a bundle or the folder cannot be used.
    """
    path = documents_of(data)
    there = _count(path)
    if there > documents:
        raise UsageError(f"{data} holds {there:,} documents, but {documents:,} are wanted: name another --data")
    if there == documents:
        return Filled(0, 0.0)
    with models.opened(data, bundles) as pipeline:
        made = source.made(pipeline.embedder, documents)
        collection, _ = asyncio.run(pipeline.contents.create(COLLECTION, exist_ok=True))
    _write(path, made, there, watch)
    began_s = time.perf_counter()
    Catalog(data, collection.origin).close()
    return Filled(documents - there, time.perf_counter() - began_s)


def _count(path: Path) -> int:
    if not path.is_file():
        return 0
    opened = Documents(path)
    opened.close()
    return opened.count


def _write(path: Path, made: Embedded, start: int, watch: Callable[[int], None]) -> None:
    """Write the documents from a number on; each has its number as id."""
    rows = Documents(path)
    try:
        for begin in range(start, len(made.texts), _TRANSACTION):
            some = slice(begin, begin + _TRANSACTION)
            documents = [Document(str(number), text) for number, text in enumerate(made.texts[some], begin)]
            with rows.writing() as change:
                keys = unit_vectors.of(made.vectors[some]).keys
                change.replace(documents, made.vectors[some], keys, made.tokens[some])
            watch(begin + len(documents))
    finally:
        rows.close()
