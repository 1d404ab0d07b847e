"""`Clients`: a server's clients for programs whose own callers choose between threads and asyncio.

Made as they are needed: one `Client`, and an `AsyncClient` for each event loop, since one belongs to the loop of its
first call. Frameworks run their components in both, and in loops that come and go.
"""

import asyncio
import threading
from typing import Any

from . import channel
from .aio import AsyncClient
from .client import Client


class Clients:
    """The clients of one server, for any number of threads and event loops.

    clients = Clients("127.0.0.1:50051")
    clients.blocking().search("notes", "what is France's capital?")
    await clients.of_loop().search("notes", "what is France's capital?")
    """

    def __init__(self, address: str = "127.0.0.1:50051", *, timeout_s: float = 30.0) -> None:
        """Prepare to talk to the server at `address`; see `Client`."""
        self.address, self.timeout_s = channel.check_target(address, timeout_s)
        self._lock = threading.Lock()
        self._blocking: Client | None = None
        self._of_loops: dict[asyncio.AbstractEventLoop, AsyncClient] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Have a copy, and what another process unpickles, make its own connections."""
        return _made, (self.address, self.timeout_s)

    def blocking(self) -> Client:
        """Return the client for threads."""
        with self._lock:
            if self._blocking is None:
                self._blocking = Client(self.address, timeout_s=self.timeout_s)
            return self._blocking

    def of_loop(self) -> AsyncClient:
        """Return the client of the event loop that runs; those of loops that are closed are forgotten."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._of_loops:
                self._of_loops = {one: client for one, client in self._of_loops.items() if not one.is_closed()}
                self._of_loops[loop] = AsyncClient(self.address, timeout_s=self.timeout_s)
            return self._of_loops[loop]

    def close(self) -> None:
        """Close the client for threads; the next use makes another one."""
        with self._lock:
            client, self._blocking = self._blocking, None
        if client is not None:
            client.close()

    async def close_async(self) -> None:
        """Close the client of the event loop that runs; the next use makes another one."""
        with self._lock:
            client = self._of_loops.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


def _made(address: str, timeout_s: float) -> Clients:
    return Clients(address, timeout_s=timeout_s)
