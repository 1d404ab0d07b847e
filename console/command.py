"""What the commands share: how one is described, and the settings of those that talk to a server."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shortlist.client import channel, errors
from shortlist.client.client import Client

from .options import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of `shortlist`."""

    summary: str  # one line, for `shortlist --help`
    description: str  # for its own --help, before the options
    examples: str  # and behind them
    settings: "Callable[[], type[DataclassInstance]]"  # called when the command runs, so that it may import
    run: Callable[[Any], int]  # takes the settings, returns the exit code


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The server to talk to, and how long a call to it may take."""

    address: str = field(
        default="127.0.0.1:50051",
        metadata={"help": "host:port of the server, or unix:PATH", "metavar": "HOST:PORT", "group": "connection"},
    )
    timeout_s: float = field(
        default=30.0, metadata={"help": "seconds that a call may take", "metavar": "S", "group": "connection"}
    )

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
