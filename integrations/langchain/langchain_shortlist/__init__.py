"""Shortlist in LangChain: embeddings, a reranker, a retriever and a vector store, all of one server."""

from .adding import RefusedDocuments
from .document_compressors import ShortlistRerank
from .embeddings import ShortlistEmbeddings
from .retrievers import ShortlistRetriever
from .vectorstores import ShortlistVectorStore

__all__ = [
    "RefusedDocuments",
    "ShortlistEmbeddings",
    "ShortlistRerank",
    "ShortlistRetriever",
    "ShortlistVectorStore",
]
