"""The one way in which fine-tuning says no."""

from shortlist.server.errors import StartupError


class FinetuneError(StartupError):
    """Data or a model that nothing can be trained with; raised before any training starts."""
