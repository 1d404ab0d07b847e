"""The one way in which fine-tuning says no."""

from shortlist.server.errors import StartupError


class FinetuneError(StartupError):
    """Report data or a model that nothing can be trained with; raised before any training starts."""
