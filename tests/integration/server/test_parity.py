"""What the server computes is what the models' own libraries compute: sentence-transformers is the reference.

On the texts that ship; and, where real collections are beside the checkout, on 200 SQuAD passages and on the examples
of the article that this project came from.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from peft import PeftModel
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import tiny_models
from shortlist.bench import local
from shortlist.client import Client
from shortlist.export import texts
from shortlist.server.runtime import bundle
from shortlist.texts import shipped

Examples = list[tuple[str, list[str]]]  # queries, each with documents
COSINE_TOLERANCE = 1e-5
SCORE_TOLERANCE = 1e-4
PASSAGES = 200


@pytest.fixture(scope="module")
def client(bundles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of a server that runs the real models' fp32 variants."""
    both = ("--embedder", str(bundles.embedder), "--reranker", str(bundles.reranker))
    variants = ("--embedder-variant", "fp32", "--reranker-variant", "fp32")
    data = str(tmp_path_factory.mktemp("data"))
    with (
        local.serving(*both, *variants, "--data", data, "--log-level", "warning") as address,
        Client(address, timeout_s=100) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def reference_reranker(embedder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Merge the default reranker's adapter into its base with PEFT alone, for sentence-transformers to load."""
    folder = tmp_path_factory.mktemp("reference")
    base = AutoModelForSequenceClassification.from_pretrained(embedder_folder, num_labels=1)
    PeftModel.from_pretrained(base, tiny_models.RERANKER).merge_and_unload().save_pretrained(folder)
    AutoTokenizer.from_pretrained(embedder_folder).save_pretrained(folder)
    return folder


def texts_that_ship() -> Examples:
    """Return a query beside a passage of each topic, and others beside texts of several lengths and languages."""
    entries = shipped.entries()
    questions, answers = zip(*texts.questions_and_passages(), strict=True)
    passages = [entry.text for entry in entries[:: shipped.TOPIC]]
    return [(entries[0].query, passages), *((query, list(answers[::8])) for query in questions[::16])]


def texts_beside(shared_data: Path) -> Examples:
    """Return the article's three examples, and one question beside 200 SQuAD passages."""
    article = json.loads((shared_data / "article-examples.json").read_text(encoding="utf-8"))
    pairs = [(example["query"], example["documents"]) for example in article.values()]
    with (shared_data / "squad-dev" / "corpus.jsonl").open(encoding="utf-8") as stream:
        passages = [json.loads(line)["text"] for _, line in zip(range(PASSAGES), stream, strict=False)]
    assert len(passages) == PASSAGES
    return [*pairs, ("In what country is Normandy located?", passages)]


@pytest.fixture(scope="module", params=["texts that ship", "real collections"])
def examples(request: pytest.FixtureRequest) -> Examples:
    """Return queries with documents."""
    if request.param == "texts that ship":
        return texts_that_ship()
    return texts_beside(request.getfixturevalue("shared_data"))


def test_embeddings(client: Client, examples: Examples, embedder_folder: Path):
    """fp32 embeddings of queries and documents point where sentence-transformers' do, to 1e-5 of cosine."""
    reference = SentenceTransformer(str(embedder_folder), device="cpu")
    both = [text for query, documents in examples for text in (query, *documents)]
    ours = np.array(client.embed(both).vectors)
    theirs = reference.encode(both, convert_to_numpy=True)
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosines.min() >= 1 - COSINE_TOLERANCE


def test_scores(client: Client, examples: Examples, reference_reranker: Path, bundles):
    """fp32 scores are those of sentence-transformers' CrossEncoder at the bundle's window, to 1e-4."""
    window = bundle.load(bundles.reranker, "reranker").manifest.max_tokens
    reference = CrossEncoder(str(reference_reranker), device="cpu", max_length=window)
    for query, documents in examples:
        ranked = client.rerank(query, documents).results
        ours = [entry.score for entry in sorted(ranked, key=lambda entry: entry.index)]
        theirs = reference.predict([(query, document) for document in documents])
        assert ours == pytest.approx(theirs.tolist(), abs=SCORE_TOLERANCE)
