"""Stanford's ColBERT: Indexer and Searcher, as in its own examples (2 bits). Run as a file: MODEL FOLDER THREADS.

The checkpoint's own lengths hold, and what it would fork off runs in this process.
"""

import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from answering import serve, taken
from colbert import Indexer, Searcher
from colbert.infra import ColBERTConfig, Run, RunConfig
from colbert.modeling.checkpoint import Checkpoint
from colbert.modeling.colbert import colbert_score

_BITS = 2
_BATCH = 32


class Stanford:
    """A model, and an index of passages, by their places."""

    def __init__(self, model: str, folder: Path) -> None:
        """Load the model, on the CPU."""
        self.model, self.folder, self.indexed = model, folder, 0
        self.checkpoint = Checkpoint(model, colbert_config=ColBERTConfig.load_from_checkpoint(model), verbose=0)
        self.searcher: Any = None

    def encode(self, texts: list[str]) -> int:
        """Make the token vectors of documents, and keep none."""
        return len(self.checkpoint.docFromText(texts, bsize=_BATCH, keep_dims=False)[0])

    def index(self, texts: list[str]) -> dict[str, float]:
        """Encode passages and index them anew."""
        self.indexed += 1
        name = f"index{self.indexed}"
        config = ColBERTConfig(nbits=_BITS, index_bsize=_BATCH, avoid_fork_if_possible=True)
        path = Indexer(self.model, config, verbose=0).index(name, texts, overwrite=True)
        self.searcher = Searcher(name, collection=texts, verbose=0)
        found: dict[str, float] = taken(Path(path))
        return found

    def search(self, query: str, top_k: int) -> list[int]:
        """Return the places of the best."""
        places: list[int] = self.searcher.search(query, k=top_k)[0]
        return places

    def rerank(self, query: str, places: list[int]) -> list[float]:
        """Return the MaxSim of indexed passages, in the order of their places."""
        found, _, scores = self.searcher.search(query, k=len(places), pids=places)
        by_place = dict(zip(found, scores, strict=True))
        return [by_place[place] for place in places]

    def score(self, query: str, texts: list[str]) -> list[float]:
        """Return the MaxSim of passages that are brought along."""
        asked = self.checkpoint.queryFromText([query])
        vectors = self.checkpoint.docFromText(texts, bsize=_BATCH, keep_dims=False)[0]
        padded = torch.nn.utils.rnn.pad_sequence(vectors, batch_first=True)
        lengths = torch.tensor([len(one) for one in vectors])
        mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
        found: list[float] = colbert_score(asked, padded, mask[..., None]).tolist()
        return found


def main() -> None:
    """Load, say so, and answer."""
    model, folder, threads = sys.argv[1:]
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(threads))
    # Its C++ parts are built at the first start, by the ninja of its environment.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = RunConfig(nranks=1, gpus=0, root=folder, experiment="peers", avoid_fork_if_possible=True)
    with Run().context(run):
        made = Stanford(model, Path(folder))
        told = ", ".join(f"{name} {version(name)}" for name in ("colbert-ai", "faiss-cpu", "torch"))
        serve(told, {name: getattr(made, name) for name in ("encode", "index", "search", "rerank", "score")})


if __name__ == "__main__":
    main()
