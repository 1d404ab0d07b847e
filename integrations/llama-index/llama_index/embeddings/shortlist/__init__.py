"""An embedding that uses the dual encoder of a Shortlist server."""

from .embedding import ShortlistEmbedding

__all__ = ["ShortlistEmbedding"]
