"""Shortlist's own parts: graphs, a collection with token vectors, MaxSim.

Run as a module: MODEL FOLDER THREADS VARIANT EMBEDDER.

What the server runs, without the server: a text a run, as many at once as there are threads; a transaction a batch; a
search takes its candidates by the dual encoder's vectors.
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.bench.studies.token_peers.runners.answering import serve, taken
from shortlist.server.runtime import bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.late_interaction import TokenReader, maxsim
from shortlist.server.runtime.manifest import TextKind
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Encoded, Tokenizer
from shortlist.server.storage import token_vectors
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin

Floats = NDArray[np.float32]

CANDIDATES = 100
_BATCH = 100  # documents in one transaction


class Shortlist:
    """Both models, and a collection of passages, by their places."""

    def __init__(self, model: Path, folder: Path, threads: int, variant: str, embedder: Path) -> None:
        """Load both bundles."""
        late, dense = bundle.load(model, "late-interaction"), bundle.load(embedder, "embedder")
        self.tokens, self.reader = Graph(late, variant, Target(), 0), TokenReader.of(late)
        self.dense, self.tokenizer = Graph(dense, variant, Target(), 0), Tokenizer(dense)
        self.prefixes = dense.manifest.query_prefix, dense.manifest.document_prefix
        self.origins = [
            Origin(one.manifest.source.model, one.manifest.fingerprint(variant), one.manifest.dimensions)
            for one in (dense, late)
        ]
        self.folder, self.pool, self.indexed = folder, ThreadPoolExecutor(threads), 0
        self.collection: Collection | None = None

    def encode(self, texts: list[str]) -> int:
        """Make the token vectors of documents, and keep none."""
        return len(self._token_vectors(texts, "document"))

    def encode_both(self, texts: list[str]) -> int:
        """Make the token vectors and the dual encoder's of documents, and keep none."""
        return len(self._token_vectors(texts, "document")) and len(self._dense(texts, self.prefixes[1])[0])

    def index(self, texts: list[str]) -> dict[str, float]:
        """Encode passages by both models, and write them into a new collection."""
        self.indexed += 1
        folder = self.folder / f"collection{self.indexed}"
        folder.mkdir()
        dense, late = self.origins
        Collection.create(folder, dense, time.time(), wanted=token_vectors.begun("none", late))
        self.collection = Collection(folder)
        for start in range(0, len(texts), _BATCH):
            some = texts[start : start + _BATCH]
            documents = [Document(str(start + place), text) for place, text in enumerate(some)]
            vectors, tokens = self._dense(some, self.prefixes[1])
            made = self._token_vectors(some, "document")
            generation = self.collection.token_vectors.generation
            self.collection.upsert(documents, vectors, tokens, token_vectors=made, token_vectors_by=generation)
        return taken(folder)

    def search(self, query: str, top_k: int) -> list[int]:
        """Return the places of the best by MaxSim among the dual encoder's candidates."""
        (vectors,), _ = self._dense([query], self.prefixes[0])
        found = self._there.by_vectors.search(vectors, CANDIDATES)
        ids = {one.version[1]: int(one.document.id) for one in found}
        (asked,) = self._token_vectors([query], "query")
        numbers, scores = self._there.maxsim(asked, np.array(list(ids), np.int64))
        return [ids[number] for number in numbers[np.argsort(-scores)[:top_k]].tolist()]

    def rerank(self, query: str, places: list[int]) -> list[float]:
        """Return the MaxSim of indexed passages, in the order of their places."""
        (asked,) = self._token_vectors([query], "query")
        # Documents are numbered from 1 in the order in which they came.
        numbers, scores = self._there.maxsim(asked, np.array(places, np.int64) + 1)
        by_number = dict(zip(numbers.tolist(), scores.tolist(), strict=True))
        return [by_number[place + 1] for place in places]

    def score(self, query: str, texts: list[str]) -> list[float]:
        """Return the MaxSim of passages that are brought along."""
        (asked,) = self._token_vectors([query], "query")
        found: list[float] = maxsim(asked, self._token_vectors(texts, "document")).tolist()
        return found

    @property
    def _there(self) -> Collection:
        if self.collection is None:
            raise ValueError("nothing is indexed yet")
        return self.collection

    def _token_vectors(self, texts: Sequence[str], kind: TextKind) -> list[Floats]:
        def run(item: Encoded) -> Floats:
            return self.reader.merged(self.reader.kept(item, self.tokens.run([item])[0], kind), kind)

        return list(self.pool.map(run, self.reader.read(texts, kind)))

    def _dense(self, texts: Sequence[str], prefix: str) -> tuple[Floats, list[int]]:
        """Return vectors, float32 [texts, dimensions], and lengths in tokens."""
        items = self.tokenizer.encode([prefix + text for text in texts])
        return np.concatenate(list(self.pool.map(lambda one: self.dense.run([one]), items))), list(map(len, items))


def main() -> None:
    """Load, say so, and answer."""
    model, folder, threads, variant, embedder = sys.argv[1:]
    made = Shortlist(Path(model), Path(folder), int(threads), variant, Path(embedder))
    told = ", ".join(f"{name} {version(name)}" for name in ("shortlist", "onnxruntime"))
    names = ("encode", "encode_both", "index", "search", "rerank", "score")
    serve(told, {name: getattr(made, name) for name in names})


if __name__ == "__main__":
    main()
