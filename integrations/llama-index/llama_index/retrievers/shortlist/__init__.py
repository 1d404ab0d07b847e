"""A retriever that searches in two stages, in one call to a Shortlist server."""

from .retriever import ShortlistRetriever

__all__ = ["ShortlistRetriever"]
