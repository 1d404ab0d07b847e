"""A collection for the time of a measurement: made, filled, and dropped at the end, whatever happens meanwhile."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Callable

from shortlist.client import AsyncClient, Document, errors

from .texts import Draw

_BATCH = 32
_IN_FLIGHT = 4


@contextlib.asynccontextmanager
async def collection(client: AsyncClient, purpose: str = "bench", language: str | None = None) -> AsyncIterator[str]:
    """Make an empty collection, yield its name, which begins with its purpose, and drop it at the end."""
    name = f"{purpose}-{secrets.token_hex(4)}"
    await client.create_collection(name, language=language)
    try:
        yield name
    finally:
        try:
            await client.drop_collection(name)
        except (errors.ShortlistError, asyncio.CancelledError):
            print(f"note: collection {name} is still on the server at {client.address}", file=sys.stderr)
            raise


async def fill(
    client: AsyncClient, name: str, draw: Draw, count: int, watch: Callable[[int], None], stop: asyncio.Event
) -> None:
    """Put `count` passages into a collection, or fewer if `stop` is set meanwhile.

    Raises:
        ShortlistError: the server refused some.
    """
    documents = [Document(f"filled-{number}", draw.passage()) for number in range(count)]
    batches = iter([documents[start : start + _BATCH] for start in range(0, count, _BATCH)])
    done = 0

    async def send() -> None:
        nonlocal done
        for batch in batches:  # shared: each takes the next
            if stop.is_set():
                return
            await client.upsert(name, batch)
            done += len(batch)
            watch(done)

    async with asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(send())
