"""The socket of the HTTP side, and its life in the server's own event loop: uvicorn without its own process.

uvicorn takes the signals and ends the process where it cannot listen, so it gets a socket that listens already and is
kept from both. `server/app.py` says when it starts and stops.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator

import uvicorn

from .app import App

# A request line and headers, of all of them together. Cookies of other programs on one host add up.
_HEADER_BYTES = 64 << 10
# Longer than load balancers keep a connection that nothing comes over (60 s): the server must not be the first to
# close one, since a request may be on its way.
_KEEP_ALIVE_S = 75


class _Uvicorn(uvicorn.Server):
    """A uvicorn that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Listener:
    """An app on a socket."""

    def __init__(self, app: App, bound: socket.socket, drain_s: float, context: ssl.SSLContext | None) -> None:
        """Answer what connects to a socket from now on, over TLS where there is a context for it.

        It must be made in the event loop.
        """
        config = uvicorn.Config(
            app,
            http="h11",
            workers=1,  # else it asks the environment
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.ERROR,  # what callers do wrong is no warning of ours
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            h11_max_incomplete_event_size=_HEADER_BYTES,
            ssl_context_factory=None if context is None else lambda *_: context,
        )
        config.timeout_graceful_shutdown = drain_s  # type: ignore[assignment] # asyncio.wait_for takes it, 0.5 too
        self._server = _Uvicorn(config)
        self._serving = asyncio.create_task(self._server.serve([bound]))

    async def stop(self) -> None:
        """Take no new connection, and end once those under way are answered or the time to drain is over."""
        self._server.should_exit = True
        await self._serving
