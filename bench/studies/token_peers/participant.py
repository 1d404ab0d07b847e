"""A system that takes part: a process that answers calls one by one, and what each call took.

Belongs to one event loop.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.bench.studies.peers.peer import PeersError
from shortlist.bench.studies.peers.process import Process

from .settings import TokenPeersSettings

RUNNERS = Path(__file__).with_name("runners")
_PATIENCE_S = 3600.0  # an index of all passages, beside other work


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned, and what it took inside the process."""

    result: Any
    wall_s: float
    cpu_s: float  # of all threads; what they spend waiting for each other by spinning too


@dataclass(frozen=True, slots=True)
class System:
    """One that may take part."""

    name: str
    graph: str
    python: Path
    command: tuple[str, ...]  # behind it: the runner and what only this one takes
    own: tuple[str, ...] = ()

    def missing(self) -> str:
        """Return what is not there; empty if nothing is."""
        return (
            "" if self.python.exists() else f"{self.python} is not there; `make late-interaction-peers` installs it"
        )


class Participant:
    """A system that was started."""

    def __init__(self, system: System, process: Process, version: str) -> None:
        """Own a process that has said which version it is."""
        self.system, self.version = system, version
        self._process = process

    @classmethod
    async def start(cls, system: System, model: Path, folder: Path, threads: int) -> "Participant":
        """Start a system and wait until its model is loaded.

        Args:
            system: which.
            model: what it loads.
            folder: where its indexes go.
            threads: that it may compute with.

        Raises:
            PeersError: it did not start; the message says why.
        """
        arguments = (str(model), str(folder), str(threads), *system.own)
        environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
        process = await Process.start([str(system.python), *system.command, *arguments], environment)
        try:
            return cls(system, process, json.loads(await process.read(_PATIENCE_S)))
        except PeersError as error:
            await process.stop()
            raise PeersError(f"{system.name} does not start: {error}") from error

    async def ask(self, call: str, **arguments: Any) -> Answer:
        """Return what a call returned.

        Raises:
            PeersError: it failed; the message says why.
        """
        try:
            await self._process.write(json.dumps({"call": call, **arguments}))
            return Answer(**json.loads(await self._process.read(_PATIENCE_S)))
        except PeersError as error:
            raise PeersError(f"{self.system.name}: {call} failed: {error}") from error

    async def stop(self) -> None:
        """End the process."""
        await self._process.stop()


def systems(settings: TokenPeersSettings) -> list[System]:
    """Return all that may take part, Shortlist first."""
    module = "shortlist.bench.studies.token_peers.runners.run_shortlist"
    ours = [
        System(
            f"Shortlist, {variant}",
            variant,
            Path(sys.executable),
            ("-m", module),
            (variant, str(settings.embedder)),
        )
        for variant in settings.variants
    ]
    pylate = System("PyLate", "PyTorch, fp32", settings.pylate, (str(RUNNERS / "run_pylate.py"),))
    stanford = System("colbert-ai", "PyTorch, fp32", settings.colbert, (str(RUNNERS / "run_colbert.py"),))
    return [*ours, pylate, stanford]


async def stop_all(participants: Sequence[Participant]) -> None:
    """End all of them."""
    await asyncio.gather(*(one.stop() for one in participants))
