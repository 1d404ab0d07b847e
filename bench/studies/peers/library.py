"""sentence-transformers: encode, cosine, predict, one query after another, as in its documentation's example.

It is a library, so a process of its own runs it and callers wait in line: that is what a service around it does
unless it brings a scheduler.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from shortlist.client import Document

from .peer import Floats, Kind, Models, Peer, PeersError
from .process import Process

RUNNER = Path(__file__).with_name("run_sentence_transformers.py")


class SentenceTransformers(Peer):
    """sentence-transformers with one of its backends."""

    loads: ClassVar[frozenset[Kind]] = frozenset({"rerank", "embed", "search"})

    def __init__(self, backend: Literal["torch", "onnx"]) -> None:
        """Start nothing yet."""
        self.name = f"sentence-transformers, {'PyTorch' if backend == 'torch' else 'ONNX'}"
        self._backend = backend
        self._process: Process | None = None
        self._line = asyncio.Lock()

    def missing(self) -> str:
        """Return how to get it, if it is not installed beside Shortlist."""
        if find_spec("sentence_transformers"):
            return ""
        return f"{sys.prefix} has no sentence-transformers; `make .venv/.test` installs it"

    async def start(self, models: Models) -> None:
        """Load both models."""
        self.graph = "PyTorch, fp32" if self._backend == "torch" else models.variant
        folders = (str(models.embedder_folder), str(models.reranker_folder))
        command = [sys.executable, "-P", str(RUNNER), self._backend, *folders]
        self._process = await Process.start(command, {"HF_HUB_OFFLINE": "1"})
        try:
            self.version = json.loads(await self._process.read())
        except PeersError as error:
            raise PeersError(f"{self.name} does not start: {error}") from error

    async def rerank(self, query: str, passages: Sequence[str]) -> Floats:
        """Return a score for each passage."""
        return np.array(await self._ask("rerank", query=query, passages=list(passages)), np.float32)

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of texts."""
        return np.array(await self._ask("embed", texts=list(texts)), np.float32)

    async def index(self, documents: Sequence[Document]) -> None:
        """Embed the documents, and keep their vectors and texts in memory."""
        await self._ask("index", ids=[one.id for one in documents], texts=[one.text for one in documents])

    async def search(self, query: str, candidates: int, top_k: int) -> list[str]:
        """Return the ids of the best."""
        return [str(name) for name in await self._ask("search", query=query, candidates=candidates, top_k=top_k)]

    async def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            await self._process.stop()

    @property
    def _ready(self) -> Process:
        if self._process is None:
            raise PeersError(f"{self.name} was not started")
        return self._process

    async def _ask(self, call: str, **arguments: Any) -> Any:
        async with self._line:
            try:
                await self._ready.write(json.dumps({"call": call, **arguments}))
                return json.loads(await self._ready.read())
            except PeersError as error:
                raise PeersError(f"{self.name}: {call} failed: {error}") from error
