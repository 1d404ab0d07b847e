"""The settings of commands that talk to a server."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from shortlist.client import channel, errors
from shortlist.client.client import Client

from .errors import UsageError

_GROUP = "Connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The server to talk to, and how long a call to it may take."""

    address: Annotated[str, Parameter(metavar="HOST:PORT", group=_GROUP)] = "127.0.0.1:50051"
    """host:port of the server, or unix:PATH"""
    timeout_s: Annotated[float, Parameter(metavar="S", group=_GROUP)] = 30.0
    """seconds that a call may take"""

    def __post_init__(self) -> None:
        """Refuse what a client would.

        Raises:
            UsageError: naming the setting, its value and the limit.
        """
        try:
            channel.check_target(self.address, self.timeout_s)
        except errors.InvalidRequest as error:
            raise UsageError(str(error)) from None

    def client(self) -> Client:
        """Make a client for that server."""
        return Client(self.address, timeout_s=self.timeout_s)
