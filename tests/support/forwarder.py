"""A TCP forwarder that can forget its connections: it goes on to acknowledge what comes, and passes nothing on."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class Box:
    """A box between client and server."""

    host: str
    port: int
    address: str = ""
    forgotten: set = field(default_factory=set)  # connections
    open: set = field(default_factory=set)
    tasks: list = field(default_factory=list)
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))  # forgotten ones that ended

    def forget(self) -> None:
        """Forget every connection that there is; later ones are forwarded."""
        self.forgotten |= self.open

    def connected(self, reader, writer):
        """Begin to forward a connection."""
        self.tasks.append(asyncio.get_running_loop().create_task(self.forward(reader, writer)))

    async def forward(self, reader, writer):
        """Forward one connection until the client ends it."""
        onward_reader, onward_writer = await asyncio.open_connection(self.host, self.port)
        connection = object()
        self.open.add(connection)
        back = asyncio.create_task(self.pump(connection, onward_reader, writer))
        try:
            await self.pump(connection, reader, onward_writer)
        finally:
            back.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await back
            for one in (writer, onward_writer):
                one.close()
                with suppress(OSError):
                    await one.wait_closed()
            self.open.discard(connection)
            if connection in self.forgotten:
                self.left.release()

    async def pump(self, connection, reader, writer):
        """Pass on what comes, or read and drop it."""
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if connection not in self.forgotten:
                    writer.write(data)
                    await writer.drain()


@contextmanager
def forwarding(address: str) -> Iterator[Box]:
    """Run a box in front of a server on this machine."""
    host, port = address.rsplit(":", 1)
    box, ready = Box(host, int(port)), threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(box.connected, "127.0.0.1", 0)
        box.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        box.over = asyncio.Event()
        ready.set()
        await box.over.wait()
        server.close()
        for task in box.tasks:
            task.cancel()
        await asyncio.gather(*box.tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait()
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(box.over.set)
        thread.join()
        loop.close()
