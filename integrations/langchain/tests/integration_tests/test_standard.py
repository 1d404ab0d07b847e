"""LangChain's standard suites, whole, against a running server."""

import pytest
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

from langchain_shortlist import ShortlistEmbeddings, ShortlistRetriever, ShortlistVectorStore

_TEXTS = ["Paris is the capital of France.", "Berlin is the capital of Germany.", "Bread is baked.", "It rains."]


class TestVectorStore(VectorStoreIntegrationTests):
    """Adding, getting, deleting and searching; the embeddings that the suite has are not needed."""

    @pytest.fixture
    def vectorstore(self, collection: str) -> ShortlistVectorStore:
        """Return an empty store."""
        return ShortlistVectorStore(collection)


class TestEmbeddings(EmbeddingsIntegrationTests):
    """Vectors of texts and of queries."""

    @property
    def embeddings_class(self) -> type[ShortlistEmbeddings]:
        """Return what is tested; the environment says where the server is."""
        return ShortlistEmbeddings


class TestRetriever(RetrieversIntegrationTests):
    """Both stages in one call."""

    @pytest.fixture(autouse=True)
    def _filled(self, collection: str) -> None:
        """Fill a collection."""
        self.collection = collection
        ShortlistVectorStore(collection).add_texts(_TEXTS)

    @property
    def retriever_constructor(self) -> type[ShortlistRetriever]:
        """Return what is tested."""
        return ShortlistRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, object]:
        """Return where it looks."""
        return {"collection": self.collection}

    @property
    def retriever_query_example(self) -> str:
        """Return a question."""
        return "what is the capital of France?"
