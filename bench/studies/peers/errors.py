"""The one way in which the comparison says no."""

from shortlist.server.errors import StartupError


class PeersError(StartupError):
    """Report what cannot be compared, or a peer that does not start or answers with something else."""
