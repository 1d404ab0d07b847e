"""Embed the pieces of real texts ahead of a study that wants a large collection, and keep them in a folder.

Passages of judged collections are cut into sentences, then clauses, then neighbouring clauses and neighbouring
sentences together: real texts all of them, short, and no two the same. One cut follows another, each in a random
order, so that the first so many pieces are a fair sample of all collections.

Vectors and lengths are kept shard by shard, so that an interrupted run goes on where it was. The same folders give
the same pieces.
"""

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from shortlist.bench import beir
from shortlist.console.progress import Progress
from shortlist.server import cores, durable
from shortlist.server.inference.models import Embedder
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.settings import within

from . import study
from .models import opened
from .study import Bundles

_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSES = re.compile(r"(?<=[.!?;:,])\s+|\n+")
# How passages are cut, and how many neighbouring parts make a piece: the shortest first, since they cost least.
_CUTS = ((_SENTENCES, 1), (_CLAUSES, 1), (_CLAUSES, 2), (_SENTENCES, 2))
_CHARACTERS = (20, 400)
_WORDS = 4  # at least
_SHARD = 8192
_DIGITS = 16  # of a digest: enough for a file's name

Floats = NDArray[np.float32]


class Piece(NamedTuple):
    """A piece of a passage."""

    text: str
    set: str  # the collection's name
    passage: str  # its id


class Embedded(NamedTuple):
    """Texts as the embedder has them."""

    texts: Sequence[str]
    vectors: Floats  # float32 [texts, dimensions], of length 1
    tokens: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PiecesSettings(Bundles):
    """The settings of the study."""

    folders: Annotated[tuple[Path, ...], Parameter(metavar="PATH,PATH")]
    """judged collections as BEIR lays them out, whose passages are cut"""
    pieces: Path
    """folder to keep vectors in"""
    documents: Annotated[int, within(1)] = 1_000_000
    """pieces to embed, or all if they are fewer"""


def main() -> int:
    """Embed and print; return the exit code."""
    return study.main("pieces", PiecesSettings, __doc__, "--folders squad-train,cranfield --pieces kept", run)


def run(chosen: PiecesSettings) -> int:
    """Embed what is not there, print how many there are, and return the exit code."""
    texts = [piece.text for piece in cut(chosen.folders)]
    count = min(chosen.documents, len(texts))
    with opened(chosen.pieces / "server", chosen) as pipeline, Progress(sys.stderr, "embedded", count) as progress:
        for shard in _shards(texts, count, chosen.pieces, pipeline.embedder.info.fingerprint):
            shard.embed(pipeline.embedder)
            progress.update(min(count, shard.start + len(shard.texts)))
    return study.finish({"pieces": count, "of": len(texts)})


def embedded(model: Embedder, texts: Sequence[str], count: int, folder: Path) -> Embedded:
    """Return the first so many pieces as the embedder has them; those that the folder lacks are put there.

    Args:
        model: the embedder.
        texts: of all pieces, as `cut` returns them.
        count: how many are wanted.
        folder: that keeps them.
    """
    vectors, tokens = np.empty((count, model.dimensions), np.float32), np.empty(count, np.int32)
    for shard in _shards(texts, count, folder, model.info.fingerprint):
        shard.embed(model)
        with np.load(shard.path) as kept:
            some = slice(shard.start, min(count, shard.start + len(shard.texts)))
            vectors[some] = kept["vectors"][: some.stop - some.start]
            tokens[some] = kept["tokens"][: some.stop - some.start]
    return Embedded(texts[:count], vectors, tokens.tolist())


def cut(folders: Sequence[Path]) -> list[Piece]:
    """Return the pieces of all passages in the folders, no two the same but for capitals and spaces."""
    passages = [
        Piece(text, folder.resolve().name, passage) for folder in folders for passage, text in beir.passages(folder)
    ]
    seen: set[str] = set()
    pieces: list[Piece] = []
    for ends, together in _CUTS:
        found = []
        for piece in _pieces(passages, ends, together):
            if (known := piece.text.lower()) not in seen:
                seen.add(known)
                found.append(piece)
        pieces += [found[place] for place in np.random.default_rng(0).permutation(len(found))]
    return pieces


def _pieces(passages: Sequence[Piece], ends: "re.Pattern[str]", together: int) -> Iterator[Piece]:
    """Yield the pieces of one cut that are of a fair length."""
    for passage in passages:
        parts = [part for part in ends.split(passage.text) if part.strip()]
        for start in range(len(parts) - together + 1):
            words = " ".join(parts[start : start + together]).split()
            text = " ".join(words)
            if len(words) >= _WORDS and _CHARACTERS[0] <= len(text) <= _CHARACTERS[1]:
                yield passage._replace(text=text)


@dataclass(frozen=True, slots=True)
class Shard:
    """Some pieces whose vectors are kept in one file."""

    start: int  # the number of the first piece
    texts: Sequence[str]
    path: Path

    def embed(self, model: Embedder) -> None:
        """Write the vectors and lengths, unless they are there: those of equal length are run together."""
        if self.path.exists():
            return
        items = model.tokenizer.encode(model.prefixed(self.texts, "document"))
        tokens = np.array([len(item) for item in items], np.int32)
        vectors = np.empty((len(items), model.dimensions), np.float32)

        def fill(places: NDArray[np.intp]) -> None:
            vectors[places] = model.graph.run([items[place] for place in places])

        with ThreadPoolExecutor(cores.usable()) as pool:
            list(pool.map(fill, _runs(tokens, model.graph.shapes)))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        new = self.path.with_suffix(".new.npz")
        np.savez(new, vectors=vectors.astype(np.float16), tokens=tokens)
        durable.put(new, self.path)


def _shards(texts: Sequence[str], count: int, folder: Path, fingerprint: str) -> Iterator[Shard]:
    """Yield the shards that hold the first so many pieces; a file's name says what it was made of."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, count, _SHARD):
        some = texts[start : start + _SHARD]
        digest = hashlib.sha256("\n".join([fingerprint, *some]).encode()).hexdigest()[:_DIGITS]
        yield Shard(start, some, folder / f"pieces-{start:09}-{digest}.npz")


def _runs(tokens: NDArray[np.int32], shapes: Shapes) -> Iterator[NDArray[np.intp]]:
    """Yield the places of items that share a run."""
    for length in np.unique(tokens).tolist():
        places = np.flatnonzero(tokens == length)
        most = shapes.max_batch(length)
        yield from (places[start : start + most] for start in range(0, len(places), most))


if __name__ == "__main__":
    sys.exit(main())
