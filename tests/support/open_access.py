"""A server without keys, and routes that want none."""

from shortlist.server.access.callers import Access
from shortlist.server.access.rights import Need, Right
from shortlist.server.settings import Settings

ACCESS = Access(Settings())


def needs(method: str, path: str) -> Need:
    """Return what any route wants: nothing."""
    return Need(Right.OPEN)
