"""What the server computes is what the models' own libraries compute: sentence-transformers is the reference.

On 200 SQuAD passages, and on the examples of the article that this project came from.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder, SentenceTransformer

from shortlist.bench import local
from shortlist.client import Client

COSINE_TOLERANCE = 1e-5
SCORE_TOLERANCE = 1e-4
PASSAGES = 200


@pytest.fixture(scope="module")
def client(bundles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of a server that runs the real models' fp32 variants."""
    models = ("--embedder", str(bundles.embedder), "--reranker", str(bundles.reranker))
    variants = ("--embedder-variant", "fp32", "--reranker-variant", "fp32")
    data = str(tmp_path_factory.mktemp("data"))
    with (
        local.serving(*models, *variants, "--data", data, "--log-level", "warning") as address,
        Client(address, timeout_s=100) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def examples(shared_data: Path) -> list[tuple[str, list[str]]]:
    """Return queries with documents: the article's three, and one question beside 200 SQuAD passages."""
    article = json.loads((shared_data / "article-examples.json").read_text(encoding="utf-8"))
    pairs = [(example["query"], example["documents"]) for example in article.values()]
    with (shared_data / "squad-dev" / "corpus.jsonl").open(encoding="utf-8") as stream:
        passages = [json.loads(line)["text"] for _, line in zip(range(PASSAGES), stream, strict=False)]
    assert len(passages) == PASSAGES
    return [*pairs, ("In what country is Normandy located?", passages)]


def test_embeddings(client: Client, examples: list[tuple[str, list[str]]], embedder_folder: Path):
    """fp32 embeddings of queries and documents point where sentence-transformers' do, to 1e-5 of cosine."""
    reference = SentenceTransformer(str(embedder_folder), device="cpu")
    texts = [text for query, documents in examples for text in (query, *documents)]
    ours = np.array(client.embed(texts).vectors)
    theirs = reference.encode(texts, convert_to_numpy=True)
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosines.min() >= 1 - COSINE_TOLERANCE


def test_scores(client: Client, examples: list[tuple[str, list[str]]], real_reranker: Path):
    """fp32 scores are those of sentence-transformers' CrossEncoder, to 1e-4."""
    reference = CrossEncoder(str(real_reranker), device="cpu")
    for query, documents in examples:
        ranked = client.rerank(query, documents).results
        ours = [entry.score for entry in sorted(ranked, key=lambda entry: entry.index)]
        theirs = reference.predict([(query, document) for document in documents])
        assert ours == pytest.approx(theirs.tolist(), abs=SCORE_TOLERANCE)
