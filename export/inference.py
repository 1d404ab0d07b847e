"""Texts through an ONNX graph on one provider, the plain CPU unless told, as the proof and the gate need it.

Every text runs alone on one thread, as the server does on CPUs, on all cores at once; or among others, padded. On
another provider that is the server's own session, with its options and its lengths.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.server import cores
from shortlist.server.errors import BundleError, ProviderError
from shortlist.server.runtime.manifest import OUTPUT, Kind
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.session import Session
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded, pad
from shortlist.server.settings import Provider

from .errors import ExportError

Floats = NDArray[np.float32]
Results = (
    Floats | Sequence[Floats]
)  # an array of all texts', or one a text where they have as many vectors as they like
Feeds = dict[str, NDArray[np.int64]]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

BATCH = 8
_PLAIN, _ANY = Target(), Shapes(0)


class Runner:
    """One loaded graph."""

    def __init__(
        self,
        graph: Path,
        kind: Kind,
        pad_token_id: int,
        provider: Provider = "cpu",
        window: int = 0,
        precision: str = "fp32",
    ) -> None:
        """Load it.

        Args:
            graph: an ONNX file.
            kind: what it is.
            pad_token_id: what texts are padded with.
            provider: where it runs.
            window: tokens of the longest text, up to which a provider that compiles for shapes gets texts padded.
            precision: what the graph is in, or bf16 for the provider to run it so.

        Raises:
            ExportError: onnxruntime cannot load it, or the provider does not take it.
        """
        target = Target(provider, precision, slots=cores.usable())
        self._shapes = Shapes(window, bucketed=target.kind.compiles)
        self._session = session(graph, target, self._shapes)
        self._output = OUTPUT[kind]
        self._pad = pad_token_id
        self.inputs = self._session.inputs

    def alone(self, items: Sequence[Encoded]) -> Floats:
        """Run each text alone: float32 [texts, dimensions], or [texts] of a reranker."""
        return self._batches(items, 1)

    def together(self, items: Sequence[Encoded]) -> Floats:
        """Run the texts in padded batches."""
        return self._batches(items, BATCH)

    def token_vectors(self, items: Sequence[Encoded], size: int = 1) -> list[Floats]:
        """Run texts of a late-interaction model in batches of `size`: float32 [tokens, dimensions] of each."""
        batches = [items[start : start + size] for start in range(0, len(items), size)]
        found = each(lambda batch: self.run(self._feeds(batch)), batches)
        rows = (row for values in found for row in values)
        return [row[: len(item)] for item, row in zip(items, rows, strict=True)]

    def of_length(self, tokens: int) -> Floats:
        """Run one text of that many tokens, whatever it says."""
        ids = np.full((1, tokens), self._pad, np.int64)
        return self.run({"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})

    def run(self, given: Feeds) -> Floats:
        """Run once; inputs that the graph does not take are left out."""
        return self._session.run(self._output, given)

    def _batches(self, items: Sequence[Encoded], size: int) -> Floats:
        batches = [items[start : start + size] for start in range(0, len(items), size)]
        return np.concatenate(each(lambda batch: self.run(self._feeds(batch)), batches))

    def _feeds(self, items: Sequence[Encoded]) -> Feeds:
        return pad(items, self._pad, length=self._shapes.length(max(map(len, items))))


def each(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return a function's results in the items' order; one item a core, all cores at once."""
    with ThreadPoolExecutor(cores.usable()) as pool:
        return list(pool.map(function, items))


def session(graph: Path, target: Target = _PLAIN, shapes: Shapes = _ANY) -> Session:
    """Load a graph as the server does; on the CPU, for runs of one thread and any length, unless told.

    Raises:
        ExportError: onnxruntime cannot load it, or the provider does not take it.
    """
    try:
        return Session(graph, target, (), shapes)
    except (BundleError, ProviderError) as error:
        raise ExportError(str(error).replace(str(graph), graph.name)) from error
