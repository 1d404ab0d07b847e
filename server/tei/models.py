"""Embed, rerank, predict, tokenize and decode, with TEI's meanings: what its faces over gRPC and HTTP share.

What TEI calls a reranker is a classifier of one label, so the scorer is both here. Limits and rules on texts are the
pipeline's; fields have the names of TEI's requests. Knows neither gRPC nor HTTP.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.server import fusion
from shortlist.server.errors import Empty, InvalidRequest, named
from shortlist.server.runtime.manifest import Kind, TextKind
from shortlist.server.runtime.tokens import Piece, Truncation
from shortlist.server.search import request_checks
from shortlist.server.search.pipeline import Pipeline

from .capacity import patiently
from .description import Description, describe
from .usage import Usage

Direction = Literal["right", "left"]
# Why two of TEI's calls are refused.
SPARSE = "EmbedSparse wants a model that makes sparse vectors, and bundles hold none; ask for Embed's"
UNPOOLED = "EmbedAll wants a vector a token, and the graphs of bundles pool them into one; ask for Embed's"

Floats = NDArray[np.float32]

_PROMPTS: dict[str | None, TextKind] = {
    None: "plain",
    "query": "query",
    "document": "document",
    "passage": "document",
}


@dataclass(frozen=True, slots=True)
class Cut:
    """What becomes of texts that the model cannot read whole."""

    truncate: bool  # else they are refused
    direction: Direction = "right"  # the end that is cut off

    @property
    def truncation(self) -> Truncation:
        """Return where texts are cut, as the pipeline says it."""
        if not self.truncate:
            return "none"
        return "end" if self.direction == "right" else "start"


@dataclass(frozen=True, slots=True)
class Rank:
    """A text in its rank."""

    index: int  # its place in the request, from 0
    score: float


class Models:
    """Both models, as TEI speaks of one."""

    def __init__(self, pipeline: Pipeline, main: Kind, queue_tokens: int) -> None:
        """Serve one pipeline.

        Args:
            pipeline: whose models they are.
            main: the one that is spoken for where TEI knows one alone.
            queue_tokens: how many tokens may wait for a slot.
        """
        self.main: Kind = main
        self._pipeline = pipeline
        self._queue_tokens = queue_tokens

    def describe(self, kind: Kind) -> Description:
        """Describe one of the models."""
        return describe(self._pipeline, kind, self._queue_tokens)

    @property
    def provider(self) -> str:
        """Return what the models run on, as onnxruntime names it."""
        return self._pipeline.scorer.info.provider

    @property
    def label(self) -> str:
        """Return the name of the one label that `predict` scores."""
        return self._pipeline.scorer.label

    async def embed(
        self,
        inputs: Sequence[str],
        cut: Cut,
        deadline: float,
        *,
        normalize: bool = True,
        prompt_name: str | None = None,
        dimensions: int | None = None,
    ) -> tuple[Floats, Usage]:
        """Embed each text.

        Args:
            inputs: at least one.
            cut: what becomes of those that do not fit.
            deadline: a time of the monotonic clock, in seconds.
            normalize: whether vectors are divided by their lengths; the graphs of most models do so in any case.
            prompt_name: decides the prefix; None: texts are read as they are.
            dimensions: elements of each vector to return, the first ones, before it is divided; None: all.

        Returns:
            float32 [inputs, dimensions], and what it took.

        Raises:
            InvalidRequest: the request is at fault.
            DeadlineExceeded, Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        began = time.perf_counter()
        with named({"texts": "inputs"}):
            made = await self._pipeline.embed(
                inputs,
                _kind(prompt_name),
                deadline,
                truncation=cut.truncation,
                dimensions=dimensions,
                normalize=normalize,
            )
        usage = Usage(sum(map(len, inputs)), int(made.tokens.sum()), made.spent, time.perf_counter() - began)
        return made.values, usage

    async def similarity(
        self, source: str, sentences: Sequence[str], cut: Cut, deadline: float, *, prompt_name: str | None = None
    ) -> tuple[Floats, Usage]:
        """Return the cosine of each sentence and the source, float32 [sentences], and what it took.

        Raises:
            InvalidRequest, DeadlineExceeded, Overloaded, ShuttingDown, InferenceFailed: as `embed`.
        """
        if not sentences:
            raise Empty("inputs.sentences", [], "at least one is needed", "send one or more")
        vectors, usage = await self.embed([source, *sentences], cut, deadline, prompt_name=prompt_name)
        return vectors[1:] @ vectors[0], usage

    async def rerank(
        self, query: str, texts: Sequence[str], cut: Cut, deadline: float, *, raw_scores: bool = False
    ) -> tuple[list[Rank], Usage]:
        """Score all texts beside the query, best first; where the queue is full, wait for room in it.

        Raises:
            InvalidRequest: the request is at fault.
            DeadlineExceeded, Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        began = time.perf_counter()
        ask = partial(self._pipeline.rerank, query, texts, deadline, truncation=cut.truncation, whole=True)
        with named({"documents": "texts"}):
            found = await patiently(ask, deadline)
        logits = np.empty(len(texts), np.float32)
        for each in found.results:
            logits[each.index] = each.logit
        characters = len(query) * len(texts) + sum(map(len, texts))
        usage = Usage(characters, int(found.tokens.sum()), found.timing.spent, time.perf_counter() - began)
        return ranks(logits, raw_scores=raw_scores), usage

    async def predict(self, inputs: Sequence[Sequence[str]], cut: Cut, deadline: float) -> tuple[Floats, Usage]:
        """Return what the model says of single texts and of pairs: logits, float32 [inputs], and what it took.

        Raises:
            InvalidRequest: the request is at fault.
            DeadlineExceeded, Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        began = time.perf_counter()
        made = await self._pipeline.predict(inputs, deadline, truncation=cut.truncation)
        characters = sum(len(text) for texts in inputs for text in texts)
        return made.logits, Usage(characters, int(made.tokens.sum()), made.spent, time.perf_counter() - began)

    async def tokenize(
        self, inputs: Sequence[str], model: Kind, *, add_special_tokens: bool, prompt_name: str | None = None
    ) -> list[list[Piece]]:
        """Return all tokens of each text, by the tokenizer of one of the models.

        Raises:
            InvalidRequest: the request is at fault.
        """
        if model == "reranker" and prompt_name is not None:
            raise InvalidRequest("prompt_name", prompt_name, "a reranker has no prompts", "leave it out")
        with named({"texts": "inputs"}):
            return await self._pipeline.tokenizing.pieces(
                inputs, model, _kind(prompt_name), special=add_special_tokens
            )

    async def decode(self, ids: Sequence[Sequence[int]], model: Kind, *, skip_special_tokens: bool) -> list[str]:
        """Return the text of each list of tokens, by the tokenizer of one of the models.

        Raises:
            InvalidRequest: the request is at fault.
        """
        return await self._pipeline.tokenizing.decode(ids, model, skip_special=skip_special_tokens)

    def check_stream(self, texts: int, size_bytes: int) -> None:
        """Refuse a stream of texts that are answered together.

        Args:
            texts: how many there are.
            size_bytes: of those that the answer is to hold.

        Raises:
            InvalidRequest: they are too many or too large, or there is none.
        """
        with named({"texts": "text"}):
            request_checks.rank_stream(self._pipeline.limits, texts, size_bytes)


def scores(logits: Floats, *, raw_scores: bool) -> Floats:
    """Return what callers get for logits: float32 [items], from 0 to 1 unless they want them as they are."""
    return logits if raw_scores else fusion.scores(logits).astype(np.float32)


def ranks(logits: Floats, *, raw_scores: bool) -> list[Rank]:
    """Return texts best first; those of equal scores in reverse order, as TEI has them."""
    values = scores(logits, raw_scores=raw_scores)
    return [Rank(int(index), float(values[index])) for index in np.argsort(values, kind="stable")[::-1]]


def _kind(prompt_name: str | None) -> TextKind:
    """Return which prefix a prompt stands for.

    Raises:
        InvalidRequest: there is no such prompt.
    """
    if prompt_name not in _PROMPTS:
        limit = f"it must be one of {', '.join(filter(None, _PROMPTS))}"
        raise InvalidRequest("prompt_name", prompt_name, limit, "leave it out to have texts read as they are")
    return _PROMPTS[prompt_name]
