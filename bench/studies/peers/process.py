"""A process that says when it is ready: what every peer but the bare loop is started through.

Owns the process and reads all that it writes, so that no pipe fills; the last lines explain an end that nobody asked
for. Belongs to one event loop.
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Mapping, Sequence

from .peer import PeersError

READY_S = 120.0  # PyTorch and two models, on a slow disk
END_S = 10.0
_LINE_BYTES = 1 << 24  # an answer with vectors is one line
_TOLD, _TOLD_CHARACTERS = 5, 200  # last lines that an error quotes, and how much of each


class Process:
    """A peer's process, spoken to line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Own a process that was started with three pipes."""
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("the process was started without a pipe")
        self._process, self._input, self._output = process, process.stdin, process.stdout
        self._said: deque[str] = deque(maxlen=_TOLD)
        self._reading = asyncio.create_task(self._read_errors(process.stderr))

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "Process":
        """Start a command; `environment` is added to this process's own."""
        return cls(
            await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **environment},
                limit=_LINE_BYTES,
            )
        )

    async def write(self, line: str) -> None:
        """Send one line to its standard input."""
        self._input.write(line.encode() + b"\n")
        await self._input.drain()

    async def read(self, timeout_s: float = READY_S) -> str:
        """Return the next line of its standard output.

        Raises:
            PeersError: it ended, or said nothing for `timeout_s`.
        """
        try:
            line = await asyncio.wait_for(self._output.readline(), timeout_s)
        except TimeoutError:
            raise PeersError(f"nothing came for {timeout_s:g} s; it said last: {self._last()}") from None
        if not line:
            code = await self._process.wait()
            await self._reading
            raise PeersError(f"it ended with exit code {code}; it said last: {self._last()}")
        text = line.decode(errors="replace").strip()
        self._said.append(text[:_TOLD_CHARACTERS])
        return text

    async def stop(self) -> None:
        """End it, by force if it does not go by itself."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read_errors(self, errors: asyncio.StreamReader) -> None:
        async for line in errors:
            if text := line.decode(errors="replace").strip():
                self._said.append(text[:_TOLD_CHARACTERS])

    def _last(self) -> str:
        return " | ".join(self._said) or "nothing"
