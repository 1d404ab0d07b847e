"""LangChain's own clients of Cohere, OpenAI and Voyage."""

import asyncio

import openai
import pytest
import tiktoken
import voyageai
from langchain_cohere import CohereEmbeddings, CohereRerank
from langchain_core.documents import Document
from langchain_openai import OpenAIEmbeddings
from langchain_voyageai import VoyageAIEmbeddings, VoyageAIRerank

from recorded_bodies import PASSAGES, QUERY

DOCUMENTS = [Document(passage, metadata={"place": place}) for place, passage in enumerate(PASSAGES)]

cohere = pytest.mark.client("langchain-cohere", points="base_url=ORIGIN, cohere_api_key=ANY")
by_openai = pytest.mark.client(
    "langchain-openai", points="base_url=ORIGIN/v1, api_key=ANY, check_embedding_ctx_length=False"
)
voyage = pytest.mark.client("langchain-voyageai", points="base_url=ORIGIN/v1, api_key=ANY")


def ranking(documents: list[Document]) -> list[tuple[int, float]]:
    """Return places and scores of what a compressor returned."""
    return [(one.metadata["place"], one.metadata["relevance_score"]) for one in documents]


@cohere
def test_cohere_rerank(origin, truth):
    """`CohereRerank.compress_documents` and `acompress_documents`, which send null for what is not set."""
    compressor = CohereRerank(base_url=origin, model="rerank-v4.0", cohere_api_key="none")
    truth.assert_ranking(ranking(compressor.compress_documents(DOCUMENTS, QUERY)))
    truth.assert_ranking(ranking(asyncio.run(compressor.acompress_documents(DOCUMENTS, QUERY))))


@cohere
def test_cohere_embeddings(origin, truth):
    """`CohereEmbeddings.embed_documents` and `embed_query`."""
    model = CohereEmbeddings(base_url=origin, model="embed-v4.0", cohere_api_key="none")
    assert model.embed_documents(list(PASSAGES)) == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
    assert model.embed_query(QUERY) == pytest.approx(truth.query, abs=1e-6)


@by_openai
def test_openai_embeddings(origin, truth):
    """`OpenAIEmbeddings.embed_documents` and `aembed_documents`."""
    model = OpenAIEmbeddings(base_url=f"{origin}/v1", api_key="none", check_embedding_ctx_length=False)
    assert model.embed_documents(list(PASSAGES)) == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
    made = asyncio.run(model.aembed_documents(list(PASSAGES)))
    assert made == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]


@by_openai
def test_openai_tokens(origin, monkeypatch):
    """Without `check_embedding_ctx_length=False` it sends tokens: refused with that remedy."""
    # Each byte a token: the vocabulary that it takes for models that it does not know would be downloaded.
    vocabulary = tiktoken.Encoding(
        "bytes", pat_str="(?s:.)", mergeable_ranks={bytes([byte]): byte for byte in range(256)}, special_tokens={}
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda _: vocabulary)
    model = OpenAIEmbeddings(base_url=f"{origin}/v1", api_key="none", model="embedder")
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        model.embed_documents([PASSAGES[0]])


@voyage
def test_voyage_rerank(origin, truth):
    """`VoyageAIRerank.compress_documents` and `acompress_documents`."""
    compressor = VoyageAIRerank(base_url=f"{origin}/v1", model="rerank-2.5", api_key="none")
    truth.assert_ranking(ranking(compressor.compress_documents(DOCUMENTS, QUERY)))
    truth.assert_ranking(ranking(asyncio.run(compressor.acompress_documents(DOCUMENTS, QUERY))))


@voyage
def test_voyage_embeddings(origin, truth, monkeypatch):
    """`VoyageAIEmbeddings.embed_documents` and `embed_query`; the tokenizer that it downloads is stood in for."""
    monkeypatch.setattr(voyageai.Client, "tokenize", lambda _, texts, model: [text.split() for text in texts])
    model = VoyageAIEmbeddings(base_url=f"{origin}/v1", model="voyage-4", api_key="none", batch_size=2)
    assert model.embed_documents(list(PASSAGES)) == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
    assert model.embed_query(QUERY) == pytest.approx(truth.query, abs=1e-6)
