"""The one way in which the comparison says no."""

from shortlist.server.errors import StartupError


class PeersError(StartupError):
    """A comparison that cannot be made: wrong input, or a peer that does not start or answers with something else."""
