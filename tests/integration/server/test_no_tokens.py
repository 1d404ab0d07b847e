"""Texts that a tokenizer leaves nothing of: refused, each by its field, and in nobody's way."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import msgspec
import pytest

from conftest import Bundles
from shortlist.bench import local
from shortlist.client import Client, Document, InvalidRequest
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, RetrievalStub
from shortlist.server.runtime.manifest import File

NOTHING = "\u200b"  # a space of no width: no white space to Python, and nothing to BERT's normalizer
WAIT_S = 60


def without_special_tokens(bundle: Path, folder: Path) -> Path:
    """Copy a bundle and let its tokenizer put nothing around a text."""
    shutil.copytree(bundle, folder)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    path.write_text(json.dumps({**tokenizer, "post_processor": None}))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tokenizer"] = msgspec.to_builtins(File.of(path))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def address(tiny: Bundles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server of one slot whose tokenizers know no special tokens."""
    folder = tmp_path_factory.mktemp("bare")
    embedder = without_special_tokens(tiny.embedder, folder / "embedder")
    reranker = without_special_tokens(tiny.reranker, folder / "reranker")
    models = ("--embedder", str(embedder), "--reranker", str(reranker), "--slots", "1", "--log-level", "warning")
    with local.serving(*models, "--data", str(folder / "data")) as found, Client(found) as client:
        client.create_collection("papers")
        yield found


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("Embed", pb.EmbedRequest(texts=["word", NOTHING]), "texts[1]"),
        ("Rerank", pb.RerankRequest(query=NOTHING, documents=["word", NOTHING]), "query"),
        ("Search", pb.SearchRequest(collection="papers", query=NOTHING), "query"),
        (
            "Upsert",
            pb.UpsertRequest(collection="papers", documents=[{"id": "a", "text": "w"}, {"id": "b", "text": NOTHING}]),
            "documents[1].text",
        ),
    ],
)
def test_a_text_of_no_tokens(address: str, method: str, request_: object, field: str):
    """It is refused at once by its field, as often as it comes."""
    with grpc.insecure_channel(address) as channel:
        stub = InferenceStub(channel) if hasattr(InferenceStub(channel), method) else RetrievalStub(channel)
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as refused:
                getattr(stub, method)(request_, timeout=WAIT_S)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert refused.value.details().startswith(
                f"{field}: got '\\u200b', but the model's tokenizer leaves no token"
            )


def test_what_is_unchanged_is_not_counted(address: str):
    """The place of a document is that in the request, whatever of it was there already."""
    with Client(address, timeout_s=WAIT_S) as client:
        client.upsert("papers", [Document("kept", "word")])
        with pytest.raises(InvalidRequest, match=r"documents\[1\]\.text: got"):
            client.upsert("papers", [Document("kept", "word"), Document("none", NOTHING)])


def test_others_are_served(address: str):
    """Beside such texts, and after them, others are answered; a pair is one text, and one half of it may be empty."""
    with Client(address, timeout_s=WAIT_S) as client:
        assert len(client.rerank("word", [NOTHING, "other"]).results) == 2
        assert len(client.rerank(NOTHING, ["word", "other"]).results) == 2
        assert len(client.embed(["word"]).vectors) == 1
