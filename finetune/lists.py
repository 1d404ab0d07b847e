"""Training lists: a query, passages, and how the passages should share the score.

    rank the corpus -> draw candidates -> cut them around the query -> ask the teacher -> mix with the labels

A labelled list has one positive and negatives that the embedder ranks high; what is judged relevant, or nearly the
same as the positive, is no negative. An unlabelled list has whatever its query finds, and only the teacher says in
which order: it keeps a small model general that would otherwise learn its training set and forget the rest.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from . import wording
from .lexical import Lexical
from .models import Dual, Floats
from .reading import Examples
from .settings import FinetuneSettings
from .teachers import Teacher

_DUPLICATE = 0.95  # cosine from which a passage says what the positive says
_POSITIVE_SHOWN = 0.5  # share of unlabelled lists that may hold a positive of their query
_ASKED = 0.5  # share of unchanged queries that keep their capitals and question mark
_RANDOM = 1  # of a list's passages, how many come from anywhere in the corpus
_QUERIES_AT_ONCE = 256  # rows of the similarity matrix in memory
_LEAST_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class TrainingList:
    """A query with passages, and the teacher's target for each."""

    query: str
    passages: tuple[str, ...]
    targets: tuple[float, ...]  # logarithms of shares that add up to 1


@dataclass(frozen=True, slots=True)
class _Draft:
    """A list before the teacher has seen it; its positive, if it is labelled, comes first."""

    query: str
    passages: tuple[str, ...]
    labelled: bool


class Index:
    """A ranking of a corpus by the embedder: exact search, as a training corpus fits into memory."""

    def __init__(self, finder: Dual, documents: dict[str, str]) -> None:
        """Embed all documents."""
        self.ids = list(documents)
        self._finder = finder
        self._vectors = finder.documents(list(documents.values()))
        self._rows = {name: row for row, name in enumerate(self.ids)}

    def search(self, queries: list[str], count: int) -> Iterator[tuple[list[str], Floats]]:
        """Yield the nearest documents of each query, best first, with their cosines."""
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            for vector in self._finder.queries(queries[start : start + _QUERIES_AT_ONCE]):
                cosines = self._vectors @ vector
                best: NDArray[np.intp] = np.argsort(-cosines, kind="stable")[:count]
                yield [self.ids[row] for row in best], cosines[best]

    def alike(self, left: str, right: str) -> bool:
        """Return whether two documents are nearly the same."""
        return float(self._vectors[self._rows[left]] @ self._vectors[self._rows[right]]) >= _DUPLICATE


def make(
    settings: FinetuneSettings,
    examples: Examples,
    index: Index,
    teacher: Teacher,
    progress: Callable[[str], None],
) -> list[TrainingList]:
    """Make the training lists of the queries in `examples`."""
    drafts = _Drafter(settings, examples, index).drafts()
    progress(f"Asking the teacher about {sum(len(draft.passages) for draft in drafts)} passages")
    pairs = [(draft.query, passage) for draft in drafts for passage in draft.passages]
    opinions = teacher.agreement(pairs)
    sharpness = settings.sharpness or teacher.sharpness
    result, start = [], 0
    for draft in drafts:
        end = start + len(draft.passages)
        shares = targets(opinions[start:end] * sharpness, settings.distill if draft.labelled else 1.0)
        result.append(TrainingList(draft.query, draft.passages, tuple(np.log(shares).tolist())))
        start = end
    return result


def targets(opinions: Floats, distill: float) -> NDArray[np.float64]:
    """Mix the teacher's order with the label, which is the first passage's.

    Args:
        opinions: what the teacher says, float32 [passages], sharpened.
        distill: the teacher's weight.

    Returns:
        float64 [passages], above 0, sum 1.
    """
    powers = np.exp(opinions.astype(np.float64) - opinions.max())
    label = np.zeros(len(opinions))
    label[0] = 1.0
    shares = np.maximum(distill * powers / powers.sum() + (1 - distill) * label, _LEAST_SHARE)
    return shares / shares.sum()  # type: ignore[no-any-return]  # NumPy's division of arrays


class _Drafter:
    """The draw of queries and candidates; everything random is here, from one seed."""

    def __init__(self, settings: FinetuneSettings, examples: Examples, index: Index) -> None:
        self._settings = settings
        self._examples = examples
        self._index = index
        self._random = random.Random(settings.seed)  # noqa: S311 (training data, no secret)
        self._cutter = wording.Cutter(examples.documents.values())

    def drafts(self) -> list[_Draft]:
        names = list(self._examples.queries)
        self._random.shuffle(names)
        names = names[: self._settings.lists]
        plans = [(name, *self._query(name)) for name in names]
        found = self._candidates([query for _, query, _ in plans])
        return [
            self._draft(name, query, labelled, candidates)
            for (name, query, labelled), candidates in zip(plans, found, strict=True)
        ]

    def _candidates(self, queries: list[str]) -> Iterator[list[str]]:
        """Yield what each query finds, best first, the two rankings in turns if both are asked."""
        kind, depth, ids = self._settings.candidates, self._settings.depth, self._index.ids
        dense: Iterator[list[str]] = (found for found, _ in self._index.search(queries, depth))
        if kind == "dense":
            yield from dense
            return
        texts = [self._examples.documents[name] for name in ids]
        lexical = ([ids[row] for row in rows] for rows in Lexical(texts).search(queries, depth))
        if kind == "bm25":
            yield from lexical
            return
        for pair in zip(lexical, dense, strict=True):
            turns = chain.from_iterable(zip_longest(*pair))
            yield list(dict.fromkeys(name for name in turns if name is not None))[:depth]

    def _query(self, name: str) -> tuple[str, bool]:
        """Return the text to train a query with, and whether its labels hold for that text."""
        query = self._examples.queries[name]
        labelled = self._random.random() >= self._settings.unlabelled
        if self._random.random() >= self._settings.augment:
            return query if self._random.random() < _ASKED else wording.plain(query), labelled
        if labelled:
            return wording.keywords(query, self._random), True
        document = self._examples.documents[next(iter(self._examples.relevant[name]))]
        forms = (
            wording.keywords(query, self._random),
            wording.beginning(query),
            wording.excerpt(document, self._random),
        )
        return self._random.choice(forms), False

    def _draft(self, name: str, query: str, labelled: bool, nearest: list[str]) -> _Draft:
        settings, relevant = self._settings, self._examples.relevant[name]
        positive = self._random.choice(list(relevant))
        shown = labelled or self._random.random() < _POSITIVE_SHOWN
        pool = [document for document in nearest if document not in relevant or (shown and not labelled)]
        if labelled:
            pool = [document for document in pool if not self._index.alike(document, positive)]
        given = list(self._examples.negatives.get(name, ()))
        chosen = [positive] if labelled else []
        wanted = settings.passages - _RANDOM - len(chosen)
        chosen += self._some(given if len(given) >= wanted else [*given, *pool], wanted)
        chosen += self._anywhere({*relevant, *chosen}, settings.passages - len(chosen))
        length = self._random.randint(settings.passage_words // 2, settings.passage_words * 3 // 2)
        asked = self._examples.queries[name] if labelled else query
        passages = tuple(self._cutter.cut(self._examples.documents[each], asked, length) for each in chosen)
        return _Draft(query, passages, labelled)

    def _anywhere(self, taken: set[str], count: int) -> list[str]:
        """Draw documents from the whole corpus; more than needed, since a few may be taken."""
        ids = self._index.ids
        drawn = self._random.sample(ids, min(count + len(taken), len(ids)))
        return [document for document in drawn if document not in taken][:count]

    def _some(self, pool: list[str], count: int) -> list[str]:
        distinct = list(dict.fromkeys(pool))
        return self._random.sample(distinct, min(count, len(distinct)))
