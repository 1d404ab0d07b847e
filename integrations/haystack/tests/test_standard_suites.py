"""Haystack's standard suites for document stores, sync and async.

Two of their hooks say how this store differs. Documents of a call are written as they arrive, in any order.
Embeddings are those of the collection's embedder, so the documents of the filter tests have that many numbers, as
float32. And every document has one: the server makes it where a document was written without.
"""

import random
from dataclasses import replace

import pytest
from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.testing.document_store import (
    CountDocumentsByFilterTest,
    DocumentStoreBaseExtendedTests,
    create_filterable_docs,
)
from haystack.testing.document_store_async import (
    CountDocumentsAsyncTest,
    CountDocumentsByFilterAsyncTest,
    DeleteAllAsyncTest,
    DeleteByFilterAsyncTest,
    DeleteDocumentsAsyncTest,
    FilterDocumentsAsyncTest,
    UpdateByFilterAsyncTest,
    WriteDocumentsAsyncTest,
)

from haystack_integrations.document_stores.shortlist import ShortlistDocumentStore
from shortlist.client import Client


class Hooks:
    """What the suites let a store say of itself."""

    @pytest.fixture
    def document_store(self, collection: str) -> ShortlistDocumentStore:
        """Return an empty store."""
        return ShortlistDocumentStore(collection, return_embedding=True)

    @pytest.fixture
    def filterable_docs(self, client: Client) -> list[Document]:
        """Return the suite's documents, with embeddings of the server's size."""
        dimensions, dice = client.describe().embedder.dimensions, random.Random(7)
        documents = create_filterable_docs()
        assert len({one.id for one in documents}) == len(documents)
        return [
            replace(one, embedding=[dice.random() for _ in range(dimensions)]) if one.embedding else one
            for one in documents
        ]

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]):
        """Compare documents by id, embeddings as float32, and leave out those that the server made."""
        received, expected = (sorted(several, key=lambda one: one.id) for several in (received, expected))
        assert [replace(one, embedding=None) for one in received] == [
            replace(one, embedding=None) for one in expected
        ]
        for one, other in zip(received, expected, strict=True):
            assert one.embedding
            if other.embedding:
                assert one.embedding == pytest.approx(other.embedding, rel=2**-24)


class TestDocumentStore(Hooks, DocumentStoreBaseExtendedTests, CountDocumentsByFilterTest):
    """The sync suite, extended."""

    def test_write_documents(self, document_store):
        """Without a policy a document whose id is there is an error."""
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document])
        self.assert_documents_are_equal(document_store.filter_documents(), [document])


class TestDocumentStoreAsync(
    Hooks,
    CountDocumentsAsyncTest,
    CountDocumentsByFilterAsyncTest,
    DeleteAllAsyncTest,
    DeleteByFilterAsyncTest,
    DeleteDocumentsAsyncTest,
    FilterDocumentsAsyncTest,
    UpdateByFilterAsyncTest,
    WriteDocumentsAsyncTest,
):
    """The async suite."""

    async def test_write_documents_async(self, document_store):
        """Without a policy a document whose id is there is an error."""
        document = Document(content="test doc")
        assert await document_store.write_documents_async([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async([document], policy=DuplicatePolicy.NONE)
        self.assert_documents_are_equal(await document_store.filter_documents_async(), [document])
