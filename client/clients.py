"""`Clients`: a server's clients for programs whose own callers choose between threads and asyncio.

Made as they are needed: one `Client`, and an `AsyncClient` for each event loop, since one belongs to the loop of its
first call. Frameworks run their components in both, and in loops that come and go.
"""

import asyncio
import os
import threading
from typing import Any, TypeVar

from . import channel
from .aio import AsyncClient
from .client import Client
from .credentials import Credentials, checked

ADDRESS_VARIABLE = "SHORTLIST_ADDRESS"
_DEFAULT_ADDRESS = "127.0.0.1:50051"

_Kind = TypeVar("_Kind", Client, AsyncClient)


class Clients:
    """The clients of one server, for any number of threads, event loops and forks of the process.

    clients = Clients("127.0.0.1:50051")
    clients.blocking().search("notes", "what is France's capital?")
    await clients.of_loop().search("notes", "what is France's capital?")
    """

    def __init__(
        self, address: str | None = None, *, timeout_s: float = 30.0, credentials: Credentials | None = None
    ) -> None:
        """Prepare to talk to a server; nothing is sent yet.

        Args:
            address: as `Client` takes it; None: what SHORTLIST_ADDRESS says, or else 127.0.0.1:50051.
            timeout_s: deadline of a call that names none itself.
            credentials: as `Client` takes them.

        Raises:
            InvalidRequest: no server can have the address, or the deadline is outside its limits.
        """
        named = os.environ.get(ADDRESS_VARIABLE, _DEFAULT_ADDRESS) if address is None else address
        self.address, self.timeout_s = channel.check_target(named, timeout_s)
        self._credentials = None if credentials is None else checked(credentials)
        self._lock = threading.Lock()
        self._blocking: tuple[int, Client] | None = None  # beside its process: a fork has none of these connections
        self._of_loops: dict[asyncio.AbstractEventLoop, AsyncClient] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Have a copy, and what another process unpickles, make its own connections."""
        return _made, (self.address, self.timeout_s, self._credentials)

    def blocking(self) -> Client:
        """Return the client for threads."""
        process = os.getpid()
        with self._lock:
            if self._blocking is None or self._blocking[0] != process:
                self._blocking = process, self._make(Client)
            return self._blocking[1]

    def of_loop(self) -> AsyncClient:
        """Return the client of the event loop that runs; those of loops that are closed are forgotten."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._of_loops:
                self._of_loops = {one: client for one, client in self._of_loops.items() if not one.is_closed()}
                self._of_loops[loop] = self._make(AsyncClient)
            return self._of_loops[loop]

    def _make(self, kind: type[_Kind]) -> _Kind:
        return kind(self.address, timeout_s=self.timeout_s, credentials=self._credentials)

    def close(self) -> None:
        """Close the client for threads; the next use makes another one."""
        with self._lock:
            made, self._blocking = self._blocking, None
        if made is not None:
            made[1].close()

    async def close_async(self) -> None:
        """Close the client of the event loop that runs; the next use makes another one."""
        with self._lock:
            client = self._of_loops.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


def _made(address: str, timeout_s: float, credentials: Credentials | None) -> Clients:
    return Clients(address, timeout_s=timeout_s, credentials=credentials)
