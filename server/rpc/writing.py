"""The sending end of a stream that a handler writes to its context."""

import asyncio
from typing import Any

import grpc

from .deadlines import Context


class Writer:
    """What sends the messages of a stream, whichever of the call's tasks writes them."""

    def __init__(self, context: Context) -> None:
        """Begin in the task of the call itself."""
        self._context = context
        self._call = asyncio.current_task()

    async def write(self, message: Any) -> None:
        """Send a message; where the caller is gone, the call ends."""
        try:
            await self._context.write(message)
        except grpc.aio.InternalError:  # gRPC cancels the call of a caller who is gone, but tells this first
            if self._call:
                self._call.cancel()
