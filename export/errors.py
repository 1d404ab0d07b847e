"""The one way in which an export says no."""

from shortlist.server.errors import StartupError


class ExportError(StartupError):
    """A model that cannot be exported, or an export that does not compute what the model computes."""
