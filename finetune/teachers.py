"""Who says in which order passages should stand: the opinions that are distilled.

A teacher is asked about all pairs of a training set at once. `sharpness` is what its opinions are multiplied by
before a softmax makes shares of them, unless the settings say otherwise.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from shortlist.export import source
from shortlist.export.source import Origin
from shortlist.server.fusion import Fusion
from shortlist.server.runtime.manifest import MANIFEST

from . import models
from .candidates import Finder
from .exported import Scorer
from .lexical import Lexical
from .models import Dual, Floats
from .quality import Judge
from .settings import FinetuneSettings

Pairs = Sequence[tuple[str, str]]  # query and passage

_PAIRS_AT_ONCE = 1024
_COSINES = 24.0  # sharpness of what lies between -1 and 1
_WINDOWS = (32, 64)  # tokens that are pooled together, from every _STEP-th token on
_STEP = 8
_STILL = 1e-9  # a spread below it is none


class Tokens(Protocol):
    """A model of token vectors of length 1."""

    def query_tokens(self, texts: list[str]) -> list[Floats]:
        """Return those of each query, float32 [tokens, dimensions]."""
        ...

    def document_tokens(self, texts: list[str]) -> list[Floats]:
        """Return those of each document, float32 [tokens, dimensions]."""
        ...


class Teacher(Protocol):
    """A model that judges pairs."""

    name: str
    sharpness: ClassVar[float]

    def agreement(self, pairs: Pairs) -> Floats:
        """Return how well each passage fits its query, float32 [pairs]; only differences within a query count."""
        ...


class Pooled:
    """A dual encoder that judges by the cosine of its texts' vectors."""

    sharpness: ClassVar[float] = _COSINES
    _by: ClassVar[str] = ""

    def __init__(self, dual: Dual) -> None:
        """Judge with this dual encoder."""
        self.name = f"{dual.name}{self._by}"
        self._dual = dual

    def agreement(self, pairs: Pairs) -> Floats:
        """Return the cosine of each pair, float32 [pairs]."""
        return _cosines(self._dual, pairs)


class LateInteraction(Pooled):
    """A dual encoder that judges token by token: the mean of each query token's best cosine in the passage.

    This is the MaxSim of ColBERT (Khattab and Zaharia, 2020, arXiv:2004.12832), divided by the query's tokens. Of a
    dual encoder that pools by mean it orders better than the cosine of the pooled vectors: docs/finetuning.md.
    """

    _by: ClassVar[str] = ", by its token vectors"

    def agreement(self, pairs: Pairs) -> Floats:
        """Return how well each passage covers its query, from -1 to 1, float32 [pairs]."""
        return by_late_interaction(self._dual, pairs)


class Ensemble(Pooled):
    """Three opinions that err in different places: token by token, by windows of tokens, and BM25 over the passages.

    Each is divided by its mean spread within a query, so that their weights mean the same on any data, and so is
    their sum: its unit is a deviation.
    """

    sharpness: ClassVar[float] = 3.0
    _by: ClassVar[str] = ", by its token vectors and windows of them, with BM25"
    _weights: ClassVar[tuple[float, float, float]] = (1.0, 1.0, 0.3)

    def agreement(self, pairs: Pairs) -> Floats:
        """Return the sum of opinions, in deviations, float32 [pairs]."""
        opinions = (*_by_tokens(self._dual, pairs, late, windowed), _lexical(pairs))
        queries = [query for query, _ in pairs]
        weighted = zip(self._weights, opinions, strict=True)
        parts = [weight * opinion / spread(queries, opinion) for weight, opinion in weighted]
        total: Floats = np.sum(parts, axis=0, dtype=np.float32)
        return total / np.float32(spread(queries, total))


class Cross:
    """A cross-encoder that teaches the order of a search by it, so with the similarity where it recommends that."""

    sharpness: ClassVar[float] = 1.0  # logits are sharp already

    def __init__(self, name: str, logits: Judge, fusion: Fusion, finder: Finder) -> None:
        """Judge by these logits, and by the finder's similarities beside them."""
        self.name = name if not fusion.weight else f"{name}, with the similarity at weight {fusion.weight:g}"
        self._logits = logits
        self._fusion = fusion
        self._finder = finder

    def agreement(self, pairs: Pairs) -> Floats:
        """Return the logit of each pair, float32 [pairs]."""
        found = self._logits(list(pairs))
        return self._fusion.logits(found, _cosines(self._finder, pairs).tolist()) if self._fusion.weight else found


def choose(settings: FinetuneSettings, finder: Finder, base: Origin, progress: Callable[[str], None]) -> Teacher:
    """Load the teacher: the one that is named, or the embedder itself, asked as `interaction` says.

    An exported embedder has no token vectors to ask for, so the base's own weights teach in its place.

    Raises:
        FinetuneError: it cannot be loaded.
        BundleError: the bundle that is named holds no reranker.
    """
    if settings.teacher and (Path(settings.teacher) / MANIFEST).is_file():
        exported = Scorer(Path(settings.teacher), progress)
        return Cross(exported.name, exported.logits, exported.fusion, finder)
    if settings.teacher:
        origin = source.resolve(settings.teacher)
        if origin.adapter is not None or models.is_reranker(origin.folder):
            logits = partial(models.logits, models.cross(origin))
            return Cross(origin.name, logits, source.recommended(origin), finder)
        dual = Dual(origin)
    else:
        dual = finder if isinstance(finder, Dual) else models.body(settings, base)
    kinds: dict[str, Callable[[Dual], Teacher]] = {"late": LateInteraction, "pooled": Pooled, "ensemble": Ensemble}
    return kinds[settings.interaction or ("ensemble" if dual.pools_by_mean else "pooled")](dual)


def by_late_interaction(model: Tokens, pairs: Pairs) -> Floats:
    """Return the mean of each query token's best cosine in the passage, float32 [pairs]."""
    (found,) = _by_tokens(model, pairs, late)
    return found


def late(query: Floats, passage: Floats) -> float:
    """Return the mean of each query token's best cosine; vectors of length 1, float32 [tokens, dimensions]."""
    return float((query @ passage.T).max(axis=1).mean())


def windowed(query: Floats, passage: Floats) -> float:
    """Return the cosine of the pooled query and the best window of the passage, pooled.

    A long passage that answers in one sentence is not thinned out by the others.
    """
    asked = query.mean(axis=0)
    sums = np.concatenate([np.zeros((1, passage.shape[1]), np.float32), np.cumsum(passage, axis=0)])
    pooled = [
        sums[min(start + length, len(passage))] - sums[start]
        for length in _WINDOWS
        for start in range(0, max(1, len(passage) - length + 1), _STEP)
    ]
    vectors = np.stack(pooled)
    cosines = vectors @ asked / np.maximum(np.linalg.norm(vectors, axis=1) * np.linalg.norm(asked), _STILL)
    return float(cosines.max())


def spread(queries: Sequence[str], opinions: Floats) -> float:
    """Return the mean standard deviation of opinions within a query; 1 where all are the same."""
    by_query: dict[str, list[float]] = {}
    for query, opinion in zip(queries, opinions.tolist(), strict=True):
        by_query.setdefault(query, []).append(opinion)
    found = float(np.mean([np.std(values) for values in by_query.values()]))
    return found if found > _STILL else 1.0


def _cosines(finder: Finder, pairs: Pairs) -> Floats:
    queries, passages = _distinct(pairs)
    left = dict(zip(queries, finder.queries(queries), strict=True))
    right = dict(zip(passages, finder.documents(passages), strict=True))
    return np.array([left[query] @ right[passage] for query, passage in pairs], np.float32)


def _by_tokens(dual: Tokens, pairs: Pairs, *judges: Callable[[Floats, Floats], float]) -> list[Floats]:
    """Judge pairs by their token vectors; those of a slice are in memory at a time, as they are large.

    Returns:
        float32 [pairs] of each judge.
    """
    found: list[list[float]] = []
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = pairs[start : start + _PAIRS_AT_ONCE]
        queries, passages = _distinct(part)
        left = dict(zip(queries, dual.query_tokens(queries), strict=True))
        right = dict(zip(passages, dual.document_tokens(passages), strict=True))
        found += [[judge(left[query], right[passage]) for judge in judges] for query, passage in part]
    return list(np.array(found, np.float32).T)


def _lexical(pairs: Pairs) -> Floats:
    _, passages = _distinct(pairs)
    index = Lexical(passages)
    places = {passage: place for place, passage in enumerate(passages)}
    result = np.zeros(len(pairs), np.float32)
    for query, rows in groupby(sorted(range(len(pairs)), key=lambda row: pairs[row][0]), lambda row: pairs[row][0]):
        asked = list(rows)
        result[asked] = index.scores(query)[[places[pairs[row][1]] for row in asked]]
    return result


def _distinct(pairs: Pairs) -> tuple[list[str], list[str]]:
    queries, passages = (list(dict.fromkeys(side)) for side in zip(*pairs, strict=True))
    return queries, passages
