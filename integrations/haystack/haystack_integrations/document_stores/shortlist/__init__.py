"""A document store in a collection of a Shortlist server."""

from .document_store import ShortlistDocumentStore

__all__ = ["ShortlistDocumentStore"]
