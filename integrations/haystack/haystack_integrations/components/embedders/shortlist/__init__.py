"""Embedders that use the dual encoder of a Shortlist server."""

from .embedders import ShortlistDocumentEmbedder, ShortlistTextEmbedder

__all__ = ["ShortlistDocumentEmbedder", "ShortlistTextEmbedder"]
