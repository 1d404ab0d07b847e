"""What a document store knows of its server: how to reach it, and that its collection is there."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from shortlist.client import AsyncClient, Client, Clients

# With these no call comes near the server's 64 MiB, however long texts (1 MiB) and metadata (64 KiB) are.
WHOLE_BATCH = 50
META_BATCH = 500

_Item = TypeVar("_Item")


class Connected:
    """A collection of a server; where it is not there, the first call that is no search makes it."""

    def __init__(
        self,
        collection: str = "documents",
        *,
        address: str | None = None,
        timeout_s: float = 30.0,
        language: str | None = None,
        return_embedding: bool = False,
    ) -> None:
        """Prepare to call a server; nothing is sent yet.

        Args:
            collection: its name; where it is not there, the first call that is no search makes it.
            address: `host:port` of the server; None: what SHORTLIST_ADDRESS says, or else 127.0.0.1:50051.
            timeout_s: seconds that each call to the server may take.
            language: of a collection that is made here, see `shortlist.client.Client.create_collection`.
            return_embedding: whether documents that are read carry their embeddings; the server made one for those
                that were written without.
        """
        self.collection, self.address, self.timeout_s = collection, address, timeout_s
        self.language, self.return_embedding = language, return_embedding
        self._clients = Clients(address, timeout_s=timeout_s)
        self._is_made = False

    def close(self) -> None:
        """Close the connection of threads; the next call makes another one."""
        self._clients.close()

    async def close_async(self) -> None:
        """Close the connection of the event loop that runs; the next call makes another one."""
        await self._clients.close_async()

    def _client(self) -> Client:
        """Return the client for threads, once the collection is there."""
        client = self._clients.blocking()
        if not self._is_made:
            client.create_collection(self.collection, exist_ok=True, language=self.language)
            self._is_made = True
        return client

    async def _client_async(self) -> AsyncClient:
        """Return the client of the event loop that runs, once the collection is there."""
        client = self._clients.of_loop()
        if not self._is_made:
            await client.create_collection(self.collection, exist_ok=True, language=self.language)
            self._is_made = True
        return client


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield items in batches of at most so many."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
