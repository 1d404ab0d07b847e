"""A vector store in a collection of a Shortlist server."""

from .vector_store import ShortlistVectorStore

__all__ = ["ShortlistVectorStore"]
