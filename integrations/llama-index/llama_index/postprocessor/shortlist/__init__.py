"""A postprocessor that orders nodes by the cross-encoder of a Shortlist server."""

from .rerank import ShortlistRerank

__all__ = ["ShortlistRerank"]
