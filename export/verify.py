"""The proof: what the fp32 graph computes, held against what PyTorch computes, on texts of many kinds.

Every text is run alone, as the server does on CPUs, and again among others in a padded batch. A figure beyond its
limit ends the export. What the other variants may cost is the gate's matter (gate.py).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from shortlist.export import figures, texts
from shortlist.export.intake import Reference
from shortlist.export.layout import Layout
from shortlist.export.running import Feeds, Floats, Runner, feeds
from shortlist.export.tokenizer import Written

LONGEST_TOKENS = 512  # of a text that is tried; wider windows would make it a matter of minutes

# fp32 computes the same as PyTorch up to the order of its sums.
_AT_LEAST = {"cosine_min": 1 - 1e-5}
_AT_MOST = {"element_change_max": 1e-4, "score_change_max": 1e-4, "batch_change_max": 1e-4}


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
        self._kind = layout.kind
        self._pad = written.pad_token_id
        self._encodings = _encoded(layout, written.path, min(written.max_tokens, LONGEST_TOKENS))
        self._expected = _by_torch(model, inputs, (feeds([item], self._pad) for item in self._encodings))

    @property
    def dimensions(self) -> int:
        """The number of a vector's elements; 0 for a reranker."""
        return int(self._expected.shape[1]) if self._kind == "embedder" else 0

    def measure(self, graph: Path) -> dict[str, float]:
        """Run a graph on every text, alone and in padded batches.

        Returns:
            figures by name; changes are of the vectors' elements, relative to a vector's length, or of scores.
        """
        runner = Runner(graph, self._kind, self._pad)
        alone = runner.alone(self._encodings)
        compare = figures.vectors if self._kind == "embedder" else figures.logits
        return {
            "texts": float(len(self._encodings)),
            **compare(self._expected, alone),
            "batch_change_max": figures.change(self._kind, alone, runner.together(self._encodings)),
        }


def shortfall(parity: dict[str, float]) -> str:
    """Return which figures of a fp32 graph are beyond their limits; empty if none is."""
    found = [
        f"{name} is {parity[name]:.6g}, but must be {bound:.6g} or more"
        for name, bound in _AT_LEAST.items()
        if name in parity and not parity[name] >= bound  # so that NaN falls short
    ]
    found += [
        f"{name} is {parity[name]:.6g}, but must be {bound:.6g} or less"
        for name, bound in _AT_MOST.items()
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
            found = [model(**{name: torch.from_numpy(given[name]) for name in inputs}) for given in items]
    finally:
        torch.set_num_threads(threads)
    return np.concatenate([value.numpy() for outputs in found for value in outputs.values()])
