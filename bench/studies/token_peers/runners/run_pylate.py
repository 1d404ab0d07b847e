"""PyLate: encode, PLAID (fast-plaid), rank.rerank, with its defaults. Run as a file: MODEL FOLDER THREADS."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from answering import serve, taken
from pylate import indexes, models, rank


class PyLate:
    """A model, and an index of passages, by their places."""

    def __init__(self, model: str, folder: Path, threads: int) -> None:
        """Load the model, on the CPU."""
        self.model = models.ColBERT(model, device="cpu", local_files_only=True)
        self.folder, self.threads, self.indexed = folder, threads, 0
        self.plaid: Any = None

    def encode(self, texts: list[str]) -> int:
        """Make the token vectors of documents, and keep none."""
        return len(self._documents(texts))

    def index(self, texts: list[str]) -> dict[str, float]:
        """Encode passages and index them anew."""
        self.indexed += 1
        name = f"index{self.indexed}"
        self.plaid = indexes.PLAID(
            str(self.folder), name, override=True, device="cpu", show_progress=False, num_threads=self.threads
        )
        places = [str(place) for place in range(len(texts))]
        self.plaid.add_documents(documents_ids=places, documents_embeddings=self._documents(texts))
        found: dict[str, float] = taken(self.folder / name)
        return found

    def search(self, query: str, top_k: int) -> list[int]:
        """Return the places of the best."""
        (found,) = self.plaid(self._query(query), k=top_k)
        return [int(one["id"]) for one in found]

    def rerank(self, query: str, places: list[int]) -> list[float]:
        """Return the MaxSim of indexed passages, in the order of their places."""
        (found,) = self.plaid(self._query(query), k=len(places), subset=[str(place) for place in places])
        scores = {int(one["id"]): float(one["score"]) for one in found}
        return [scores[place] for place in places]

    def score(self, query: str, texts: list[str]) -> list[float]:
        """Return the MaxSim of passages that are brought along."""
        (found,) = rank.rerank([list(range(len(texts)))], self._query(query), [self._documents(texts)])
        scores = {one["id"]: float(one["score"]) for one in found}
        return [scores[place] for place in range(len(texts))]

    def _query(self, query: str) -> Any:
        return self.model.encode([query], is_query=True, show_progress_bar=False)

    def _documents(self, texts: list[str]) -> Any:
        return self.model.encode(texts, is_query=False, show_progress_bar=False)


def main() -> None:
    """Load, say so, and answer."""
    model, folder, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    made = PyLate(model, Path(folder), int(threads))
    told = ", ".join(f"{name} {version(name)}" for name in ("pylate", "fast-plaid", "torch"))
    serve(told, {name: getattr(made, name) for name in ("encode", "index", "search", "rerank", "score")})


if __name__ == "__main__":
    main()
