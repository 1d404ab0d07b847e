"""The one way in which an export says no."""

from shortlist.server.errors import StartupError


class ExportError(StartupError):
    """Report a model that cannot be exported, or an export that does not compute what the model computes."""


def first_line(error: Exception) -> str:
    """Return what another library's error says, short enough for a message of one line."""
    return str(error).strip().split("\n", 1)[0]
