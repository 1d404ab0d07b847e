"""infinity with its optimum engine, over HTTP, both models in one server. It pools and normalizes vectors itself."""

import asyncio
import json
import select
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.bench import local

from .peer import Floats, Models, Peer, PeersError
from .process import Process

RUNNER = Path(__file__).with_name("run_infinity.py")
_HOST = "127.0.0.1"
_EMBEDDER, _RERANKER = "embedder", "reranker"
_CALLS = 16  # requests under way at most: more than any load here has clients
_PATIENCE_S = 120.0
_LISTENING = "Uvicorn running on"  # what uvicorn logs once its socket is open
_OK = 200


class Infinity(Peer):
    """infinity's server."""

    name = "infinity"

    def __init__(self, python: Path) -> None:
        """Take the interpreter of the environment that infinity is in."""
        self._python = python
        self._process: Process | None = None
        # http.client is the cheapest client at hand: a call costs the load generator 0.2 ms.
        self._threads = ThreadPoolExecutor(_CALLS, thread_name_prefix="http")
        self._own = threading.local()  # a thread's connection, kept open
        self._port = 0

    def missing(self) -> str:
        """Return how to get it, if its environment is not there."""
        if self._python.is_file():
            return ""
        return f"{self._python} is not there; `make .venv-peers/.infinity` makes it"

    async def start(self, models: Models) -> None:
        """Start the server and wait until it listens."""
        self.graph = models.variant
        self._port = local.free_port()
        command = [str(self._python), "-P", str(RUNNER), *_options(models, self._port)]
        # Its model hub is not asked, and its makers are sent no statistics.
        environment = {"HF_HUB_OFFLINE": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "DO_NOT_TRACK": "1"}
        self._process = await Process.start(command, environment)
        try:
            self.version = await self._process.read()
            while _LISTENING not in await self._process.read():
                pass
        except PeersError as error:
            raise PeersError(f"infinity does not start: {error}") from error

    async def rerank(self, query: str, passages: Sequence[str]) -> Floats:
        """Return a score for each passage."""
        body = {"model": _RERANKER, "query": query, "documents": list(passages)}
        scores = np.empty(len(passages), np.float32)
        for one in (await self._post("/rerank", body))["results"]:
            scores[one["index"]] = one["relevance_score"]
        return scores

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of texts."""
        answer = await self._post("/embeddings", {"model": _EMBEDDER, "input": list(texts)})
        return np.array([one["embedding"] for one in answer["data"]], np.float32)

    async def stop(self) -> None:
        """Stop the server."""
        if self._process is not None:
            await self._process.stop()
        self._threads.shutdown()

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, path, body)

    def _call(self, path: str, body: dict[str, Any]) -> Any:
        connection: HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = HTTPConnection(_HOST, self._port, timeout=_PATIENCE_S)
        if connection.sock and select.select([connection.sock], [], [], 0)[0]:
            connection.close()  # uvicorn hangs up after 5 s without a request; the next one connects again
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except (OSError, HTTPException) as error:
            raise PeersError(f"infinity: {path} failed: {error!r}") from error
        if response.status != _OK:
            raise PeersError(f"infinity: {path} answered {response.status}: {content[:200]!r}")
        return json.loads(content)


def _options(models: Models, port: int) -> list[str]:
    named = ((models.embedder_folder, _EMBEDDER), (models.reranker_folder, _RERANKER))
    options = [part for path, name in named for part in ("--model-id", str(path), "--served-model-name", name)]
    return [
        *options,
        *("--engine", "optimum", "--device", "cpu", "--url-prefix", "", "--host", _HOST, "--port", str(port)),
        # `auto` pools by the first token, whatever the model's own configuration says.
        *("--pooling-method", models.pooling),
        # The graph is to run as it is: infinity would put its own optimization of another one in a cache by name.
        "--onnx-disable-optimize",
    ]
