"""One loaded variant of a bundle: what a slot runs.

Any number of slots may run one graph at once. It learns what its runs cost.
"""

import dataclasses
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.server import cores
from shortlist.server.errors import BundleError, ProviderError
from shortlist.server.fusion import Fusion

from .bundle import Bundle
from .cost import Cost
from .manifest import OUTPUT, Manifest, Source
from .providers import Target
from .session import Session, reason
from .shapes import Shapes
from .tokens import Encoded, Tokenizer, pad

logger = logging.getLogger(__name__)

_PROVED_AT = (5, 9, 18, 31, 47, 62, 95)  # tokens: kernels work in blocks of 4 to 16, and ends are where they differ
_PROVED_TOKENS = 512  # at most, at each: a large budget is not to make the start long
_DIGITS = 16  # of a fingerprint: enough for a folder's name


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The description of a loaded model."""

    source: Source
    variant: str
    variants: tuple[str, ...]
    provider: str  # as onnxruntime names it
    max_tokens: int
    dimensions: int  # 0 for a reranker
    fingerprint: str
    fusion: Fusion  # in the order of searches that do not say; of an embedder without meaning


class Graph:
    """One variant of a bundle that runs encoded texts: the scheduler's `Model`."""

    def __init__(self, bundle: Bundle, variant: str, target: Target, batch_tokens: int) -> None:
        """Check the variant's files and load its graph.

        Args:
            bundle: where it lies.
            variant: which graph of it.
            target: where to run it; the precision is the variant's.
            batch_tokens: padded tokens that one run may stack; a variant whose results depend on its
                batch-mates (on CPUs by a bit, elsewhere by more than rounding) runs one item at a time all the same.

        Raises:
            BundleError: the variant is missing or damaged.
            ProviderError: the provider is not there, or does not take the variant.
        """
        bundle.verify(variant)
        manifest = bundle.manifest
        described = manifest.variants[variant]
        # On onnxruntime's CPU kernels only those share a run whose results stay the same to the last bit.
        stacked = described.batch_exact if target.provider == "cpu" else described.batch_invariant
        self.shapes = Shapes(
            manifest.max_tokens,
            batch_tokens if stacked else 0,
            bucketed=target.kind.compiles,
            mixed=target.kind.gpu,
        )
        # Engines know nothing of weights: one folder for each set of them.
        folder = target.engines / manifest.fingerprint(variant)[:_DIGITS]
        # Export takes all of 8 bits where nothing saturates, and less where it does.
        unsaturated = cores.saturates_here(manifest.processor)
        self._target = dataclasses.replace(
            target, precision=described.precision, unsaturated=unsaturated, engines=folder
        )
        self._session = Session(bundle.graph(variant), self._target, described.inputs, self.shapes)
        self._output = OUTPUT[manifest.kind]
        self._pad_token_id = manifest.pad_token_id
        self.width = manifest.dimensions or 1
        self._of_tokens = manifest.late_interaction is not None
        self.cost = Cost()
        self.info = _info(manifest, variant, self._session.provider)

    def blank(self, items: int) -> NDArray[np.float32]:
        """Return what holds the values of so many items, none of which was run: zeros, float32 [items, width]."""
        return np.zeros((items, self.width), np.float32)

    def run(self, items: Sequence[Encoded]) -> NDArray[np.float32]:
        """Return float32 [items, width], and learn what the run cost.

        Of a late-interaction model float32 [items, tokens, width], as wide as the longest item or more.
        """
        began = time.perf_counter()
        values = self._infer(items)
        self.cost.observe(sum(len(item) for item in items), len(items), time.perf_counter() - began)
        return values

    def run_length(self, tokens: int) -> None:
        """Run one item of that many padding tokens, for timing."""
        ids = np.full(tokens, self._pad_token_id, np.int64)
        self._infer([Encoded(ids, np.zeros_like(ids), truncated=False)])

    def estimate_s(self, lengths: Sequence[int]) -> float:
        """Return the seconds that items of these lengths, in tokens, take on one slot."""
        return self.cost.estimate_s(lengths)

    def _infer(self, items: Sequence[Encoded]) -> NDArray[np.float32]:
        length = self.shapes.length(max(len(item) for item in items))
        parts = self.shapes.split(len(items), length)
        return np.concatenate([self._infer_part(items[part], length) for part in parts])

    def _infer_part(self, items: Sequence[Encoded], length: int) -> NDArray[np.float32]:
        feeds = pad(items, self._pad_token_id, self.shapes.padded_batch(len(items)), length)
        values = self._session.run(self._output, feeds)
        shape = (len(items), length, self.width) if self._of_tokens else (len(items), self.width)
        return values[: len(items)].reshape(shape)

    def warm_up(self, tokenizer: Tokenizer, others: Sequence[Encoded] = ()) -> None:
        """Run shapes of every size up to the window, and other items, so that the first request finds all known.

        Where shapes are bucketed that is every one up to 512 tokens, on all slots at once: what a provider compiles
        it keeps for each of its streams.

        Raises:
            BundleError: the graph does not run, or not as the manifest says.
            ProviderError: a GPU cannot run it, most likely for want of memory.
        """
        try:
            self._warm_up(tokenizer)
            for item in others:
                self._infer([item])
        except Exception as error:  # onnxruntime's own classes share no public root
            if self._target.kind.gpu:
                raise ProviderError(
                    f"provider {self._target.provider} cannot run {self.info.source.model},"
                    f" {self.info.variant}, in stacks of {self.shapes.batch_tokens} tokens: {reason(error)};"
                    " lower --batch-tokens if it is memory that it lacks"
                ) from error
            raise BundleError(
                f"{self.info.source.model}, {self.info.variant}: the graph does not run as its manifest says"
                f" ({reason(error)}); export the model again"
            ) from error

    def _warm_up(self, tokenizer: Tokenizer) -> None:
        longest = tokenizer.encode([" ".join(map(str, range(self.info.max_tokens)))])[0]
        if self._target.provider == "cpu" and not self._stacks_exactly(longest):
            logger.warning(
                "%s, %s: results in a batch are not to the last bit those of single runs on this processor, as they"
                " were where it was exported; every item runs alone",
                *(self.info.source.model, self.info.variant),
            )
            self.shapes = dataclasses.replace(self.shapes, batch_tokens=0)
        slots = self._target.slots if self.shapes.bucketed else 1
        with ThreadPoolExecutor(slots, thread_name_prefix="warm-up") as pool:
            for length in self.shapes.lengths():
                item = Encoded(longest.input_ids[:length], longest.type_ids[:length], truncated=True)
                for count in self.shapes.batches(length):
                    stacks = [[item] * count] * slots
                    list(pool.map(self._infer, stacks))  # the first run of a shape also pays for it: not counted
                    list(pool.map(self.run, stacks))

    def _stacks_exactly(self, longest: Encoded) -> bool:
        """Return whether items of one length give the same bits together as alone."""
        for length in _PROVED_AT:
            count = min(self.shapes.max_batch(length), _PROVED_TOKENS // length, len(longest) - length + 1)
            if count <= 1:
                continue
            starts = [slice(start, start + length) for start in range(count)]
            items = [Encoded(longest.input_ids[at], longest.type_ids[at], truncated=True) for at in starts]
            if not np.array_equal(self._infer(items), np.concatenate([self._infer([item]) for item in items])):
                return False
        return True


def _info(manifest: Manifest, variant: str, provider: str) -> ModelInfo:
    return ModelInfo(
        manifest.source,
        variant,
        tuple(manifest.variants),
        provider,
        manifest.max_tokens,
        manifest.dimensions,
        manifest.fingerprint(variant),
        Fusion(manifest.similarity_weight, manifest.similarity_center),
    )
