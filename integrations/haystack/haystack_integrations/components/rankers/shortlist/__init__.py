"""A ranker that orders documents by the cross-encoder of a Shortlist server."""

from .ranker import ShortlistRanker

__all__ = ["ShortlistRanker"]
