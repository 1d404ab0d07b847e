"""Where the server is, and the clients that call it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shortlist.client import Clients


def connect(clients: Clients | None, address: str | None) -> Clients:
    """Return the clients of the server that is named, or else of the environment's; nothing is sent yet.

    Raises:
        InvalidRequest: no server can have the address.
        ValueError: it is not that of the clients.
    """
    if clients is None:
        return Clients(address or None)
    if address not in {None, clients.address}:
        raise ValueError(f"address: got {address!r}, but the clients call {clients.address}; leave it out")
    return clients


class Connected(BaseModel):
    """What is configured about calls to a server."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    address: str = ""
    """`host:port` of the server; else what the clients call, or SHORTLIST_ADDRESS says, or 127.0.0.1:50051"""
    timeout_s: float | None = Field(default=None, gt=0)
    """seconds that each call to the server may take; None: as the clients have it, 30"""
    clients: Clients = Field(default_factory=Clients, exclude=True, repr=False)
    """one for threads and one for each event loop; pass those of another object to share its connections"""

    @model_validator(mode="before")
    @classmethod
    def _connect(cls, given: dict[str, Any]) -> dict[str, Any]:
        clients = connect(given.get("clients"), given.get("address"))
        return {**given, "address": clients.address, "clients": clients}
