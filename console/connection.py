"""The settings of commands that talk to a server."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shortlist.client import channel, errors
from shortlist.client.client import Client
from shortlist.client.credentials import Credentials

from .errors import UsageError

_GROUP = "Connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The server to talk to, and how long a call to it may take."""

    address: Annotated[str, Parameter(metavar="HOST:PORT", group=_GROUP)] = "127.0.0.1:50051"
    """host:port of the server, or unix:PATH"""
    api_key: Annotated[str, Parameter(metavar="KEY", group=_GROUP, show_default=False)] = field(
        default="", repr=False
    )
    """key that the server asks for; others see flags, so rather set the variable"""
    tls: Annotated[bool, Parameter(group=_GROUP)] = False
    """call the server over TLS; --ca and --certificate say so too"""
    ca: Annotated[Path | None, Parameter(metavar="PEM", group=_GROUP)] = None
    """authorities' certificates, one of which signed the server's; default: those that gRPC comes with"""
    certificate: Annotated[Path | None, Parameter(metavar="PEM", group=_GROUP)] = None
    """certificate of one's own, where the server wants one (mutual TLS)"""
    certificate_key: Annotated[Path | None, Parameter(metavar="PEM", group=_GROUP)] = None
    """its private key"""
    timeout_s: Annotated[float, Parameter(metavar="S", group=_GROUP)] = 30.0
    """seconds that a call may take"""

    def __post_init__(self) -> None:
        """Refuse what a client would.

        Raises:
            UsageError: naming the setting, its value and the limit.
        """
        try:
            channel.check_target(self.address, self.timeout_s)
            self.credentials().of_channel()
        except errors.InvalidRequest as error:
            raise UsageError(str(error)) from None

    def client(self) -> Client:
        """Make a client for that server."""
        return Client(self.address, timeout_s=self.timeout_s, credentials=self.credentials())

    def credentials(self) -> Credentials:
        """Return how a client gets in."""
        return Credentials(
            api_key=self.api_key,
            tls=self.tls,
            ca=self.ca,
            certificate=self.certificate,
            certificate_key=self.certificate_key,
        )
