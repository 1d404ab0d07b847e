"""Answer calls with sentence-transformers: a line of JSON in, a line of JSON out. Run as a file."""

import json
import sys
from importlib.metadata import version
from typing import Any

from sentence_transformers import CrossEncoder, SentenceTransformer, util


class Models:
    """Both models and the passages that are searched."""

    def __init__(self, backend: str, embedder: str, reranker: str) -> None:
        """Load the models, on the CPU."""
        named = {} if backend == "torch" else {"provider": "CPUExecutionProvider", "file_name": "model.onnx"}
        options: Any = {"backend": backend, "model_kwargs": named, "device": "cpu", "local_files_only": True}
        self.embedder = SentenceTransformer(embedder, **options)
        self.reranker = CrossEncoder(reranker, **options)
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.vectors: Any = None

    def rerank(self, query: str, passages: list[str]) -> list[float]:
        """Return scores, 0 to 1."""
        scores: list[float] = self.reranker.predict([(query, passage) for passage in passages]).tolist()
        return scores

    def embed(self, texts: list[str]) -> list[list[float]]:
        """Return vectors of queries."""
        vectors: list[list[float]] = self.embedder.encode_query(texts, show_progress_bar=False).tolist()
        return vectors

    def index(self, ids: list[str], texts: list[str]) -> int:
        """Embed passages."""
        self.ids, self.texts = ids, texts
        self.vectors = self.embedder.encode_document(texts, convert_to_tensor=True, show_progress_bar=False)
        return len(ids)

    def search(self, query: str, candidates: int, top_k: int) -> list[str]:
        """Retrieve by cosine, rerank, and return the ids of the best."""
        vector = self.embedder.encode_query(query, convert_to_tensor=True, show_progress_bar=False)
        (found,) = util.semantic_search(vector, self.vectors, top_k=candidates)
        places = [int(hit["corpus_id"]) for hit in found]
        scores = self.rerank(query, [self.texts[place] for place in places])
        best = sorted(zip(scores, places, strict=True), key=lambda one: -one[0])[:top_k]
        return [self.ids[place] for _, place in best]


def main() -> None:
    """Load, say so, and answer until standard input ends."""
    backend, embedder, reranker = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print; answers stand alone
    models = Models(backend, embedder, reranker)
    names = ("sentence-transformers", *(("torch",) if backend == "torch" else ("optimum-onnx", "onnxruntime")))
    print(json.dumps(", ".join(f"{name} {version(name)}" for name in names)), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = getattr(models, asked.pop("call"))(**asked)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
