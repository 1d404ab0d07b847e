"""The proof: what a graph computes, held against what PyTorch computes, on real texts.

Every text is run alone, as the server does on CPUs, and again among others in a padded batch. A figure beyond its
limit ends the export. All figures go into the manifest.

Knows neither how a graph was made nor what becomes of it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from shortlist.export import texts
from shortlist.export.errors import ExportError
from shortlist.export.layout import Layout
from shortlist.export.tokenizer import Written
from shortlist.server.bundle import OUTPUT, Kind

Floats = NDArray[np.float32]
Feeds = dict[str, NDArray[np.int64]]
Reference = Callable[
    ..., dict[str, torch.Tensor]
]  # inputs by name -> the model's last number, such as a PyTorch module

_BATCH = 8
_LONGEST_TOKENS = 512  # the trial's longest text; wider windows would make it a matter of minutes
_TIMED_TOKENS = 128
_TIMED_RUNS = 15
_NEIGHBOURS = 10
# Padding changes the order in which fp32 kernels sum, hence an element's last bits; int8's shared scales change it
# ten thousand times as much.
_ROUNDING = 1e-5

# What a variant must reach. fp32 computes the same as PyTorch up to the order of its sums; what int8 may cost is
# kept wide here, since only a broken graph is to be stopped.
_AT_LEAST = {"fp32": {"cosine_min": 1 - 1e-5}, "int8": {"cosine_mean": 0.95, "kendall_tau": 0.8}}
_AT_MOST = {
    "fp32": {"element_change_max": 1e-4, "score_change_max": 1e-4, "batch_change_max": 1e-4},
    "int8": {},
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold what a graph's trial gave."""

    inputs: tuple[str, ...]
    batch_invariant: bool
    parity: dict[str, float]


class Trial:
    """Be the texts as one model reads them, and what PyTorch makes of each."""

    def __init__(self, model: Reference, inputs: Sequence[str], layout: Layout, written: Written) -> None:
        """Tokenize the texts with the file that was written, and run PyTorch on each alone.

        Args:
            model: what was traced, or stands for it.
            inputs: what it takes.
            layout: its prefixes, and its kind.
            written: its tokenizer.
        """
        self._kind: Kind = layout.kind
        self._pad = written.pad_token_id
        self._encodings = _encoded(layout, written.path, min(written.max_tokens, _LONGEST_TOKENS))
        self._expected = _by_torch(model, inputs, (self._feeds([item]) for item in self._encodings))

    @property
    def dimensions(self) -> int:
        """The number of a vector's elements; 0 for a reranker."""
        return int(self._expected.shape[1]) if self._kind == "embedder" else 0

    def measure(self, graph: Path) -> Measured:
        """Run a graph on every text, alone and in padded batches.

        Returns:
            figures by name; changes are of the vectors' elements, relative to a vector's length, or of scores.
        """
        session = _session(graph)
        inputs = tuple(entry.name for entry in session.get_inputs())

        def run(feeds: Feeds) -> Floats:
            (found,) = session.run([OUTPUT[self._kind]], {name: feeds[name] for name in inputs})
            return np.asarray(found, dtype=np.float32)

        alone = np.concatenate([run(self._feeds([item])) for item in self._encodings])
        starts = range(0, len(self._encodings), _BATCH)
        together = np.concatenate([run(self._feeds(self._encodings[at : at + _BATCH])) for at in starts])
        compare = _compare_vectors if self._kind == "embedder" else _compare_logits
        parity = {
            "texts": float(len(self._encodings)),
            **compare(self._expected, alone),
            "batch_change_max": _change(self._kind, alone, together),
            "ns_per_token": _ns_per_token(run, self._feeds([max(self._encodings, key=len)])),
        }
        return Measured(inputs, parity["batch_change_max"] <= _ROUNDING, parity)

    def _feeds(self, items: Sequence[Encoding]) -> Feeds:
        longest = max(len(item) for item in items)
        shape = (len(items), longest)
        feeds = {
            "input_ids": np.full(shape, self._pad, np.int64),
            "attention_mask": np.zeros(shape, np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
        }
        for row, item in enumerate(items):
            feeds["input_ids"][row, : len(item)] = item.ids
            feeds["attention_mask"][row, : len(item)] = 1
            feeds["token_type_ids"][row, : len(item)] = item.type_ids
        return feeds


def shortfall(variant: str, parity: dict[str, float]) -> str:
    """Return which figures of a variant are beyond their limits; empty if none is."""
    found = [
        f"{name} is {parity[name]:.6g}, but must be {bound:.6g} or more"
        for name, bound in _AT_LEAST[variant].items()
        if name in parity and not parity[name] >= bound  # so that NaN falls short
    ]
    found += [
        f"{name} is {parity[name]:.6g}, but must be {bound:.6g} or less"
        for name, bound in _AT_MOST[variant].items()
        if name in parity and not parity[name] <= bound
    ]
    return "; ".join(found)


def _encoded(layout: Layout, path: Path, max_tokens: int) -> list[Encoding]:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(max_tokens)
    if layout.kind == "reranker":
        pairs = texts.pairs()
        # One pair fills the window, so that its last position is tried too.
        pairs.append((pairs[0][0], " ".join(text for _, text in texts.questions_and_passages())))
        return list(tokenizer.encode_batch(pairs))
    found = texts.questions_and_passages()
    queries = [layout.query_prefix + query for query, _ in found]
    passages = [layout.document_prefix + text for _, text in found]
    return list(tokenizer.encode_batch([*queries, *passages, " ".join(passages)]))


def _by_torch(model: Reference, inputs: Sequence[str], items: Iterable[Feeds]) -> Floats:
    """Run PyTorch on one thread: several of them wait for each other longer than a short text takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            found = [model(**{name: torch.from_numpy(feeds[name]) for name in inputs}) for feeds in items]
    finally:
        torch.set_num_threads(threads)
    return np.concatenate([value.numpy() for outputs in found for value in outputs.values()])


def _session(graph: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the binding's exceptions share no public root
        raise ExportError(f"onnxruntime cannot load {graph.name}: {error}") from error


def _compare_vectors(expected: Floats, found: Floats) -> dict[str, float]:
    directions, others = _directions(expected), _directions(found)
    cosines = (directions * others).sum(axis=1)
    return {
        "cosine_mean": float(cosines.mean()),
        "cosine_min": float(cosines.min()),
        "element_change_max": _change("embedder", expected, found),
        f"top{_NEIGHBOURS}_overlap": _overlap(directions, others),
    }


def _compare_logits(expected: Floats, found: Floats) -> dict[str, float]:
    changes = np.abs(_sigmoid(expected) - _sigmoid(found))
    return {
        "score_change_mean": float(changes.mean()),
        "score_change_max": float(changes.max()),
        "logit_change_max": float(np.abs(expected - found).max()),
        "kendall_tau": _kendall_tau(expected, found),
    }


def _change(kind: Kind, first: Floats, second: Floats) -> float:
    if kind == "reranker":
        return float(np.abs(_sigmoid(first) - _sigmoid(second)).max())
    return float((np.abs(first - second) / np.linalg.norm(first, axis=1, keepdims=True)).max())


def _directions(vectors: Floats) -> NDArray[np.float64]:
    exact = vectors.astype(np.float64)
    return np.asarray(exact / np.linalg.norm(exact, axis=1, keepdims=True))


def _sigmoid(logits: Floats) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def _overlap(directions: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return which share of a text's nearest neighbours among the texts stays the same."""

    def nearest(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
        similarities = vectors @ vectors.T
        np.fill_diagonal(similarities, -np.inf)
        return np.argsort(-similarities, axis=1)[:, :_NEIGHBOURS]

    rows = zip(nearest(directions), nearest(others), strict=True)
    return float(np.mean([len(np.intersect1d(first, second)) / _NEIGHBOURS for first, second in rows]))


def _kendall_tau(expected: Floats, found: Floats) -> float:
    """Return the share of pairs in the same order minus that of pairs in another (Kendall 1938)."""
    upper = np.triu_indices(len(expected), k=1)
    signs = [np.sign(np.subtract.outer(values, values)[upper]) for values in (expected, found)]
    return float(2 * (signs[0] == signs[1]).mean() - 1)


def _ns_per_token(run: Callable[[Feeds], Floats], feeds: Feeds) -> float:
    """Return the best time of a run of 128 tokens on one thread, in nanoseconds a token."""
    feeds = {name: values[:, :_TIMED_TOKENS] for name, values in feeds.items()}
    times = []
    for _ in range(_TIMED_RUNS):
        start = time.perf_counter_ns()
        run(feeds)
        times.append(time.perf_counter_ns() - start)
    return float(min(times) / feeds["input_ids"].shape[1])
