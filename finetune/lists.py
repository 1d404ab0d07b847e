"""Training lists: a query, passages, and how the passages should share the score.

    rank the corpus -> draw candidates -> cut them around the query -> ask the teacher -> mix with the labels

A labelled list has one positive and negatives that the embedder ranks high; what is judged relevant, or nearly the
same as the positive, is no negative. An unlabelled list has whatever its query finds, and only the teacher says in
which order: it keeps a small model general that would otherwise learn its training set and forget the rest.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import wording
from .candidates import Index
from .models import Floats
from .reading import Examples
from .settings import FinetuneSettings
from .teachers import Teacher

_POSITIVE_SHOWN = 0.5  # share of unlabelled lists that may hold a positive of their query
_TITLES = 0.3  # share of changed labelled queries that become the positive's title
_ASKED = 0.5  # share of unchanged queries that keep their capitals and question mark
_RANDOM = 1  # of a list's passages, how many come from anywhere in the corpus
_LEAST_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class TrainingList:
    """A query with passages, and the teacher's target for each."""

    query: str
    passages: tuple[str, ...]
    targets: tuple[float, ...]  # logarithms of shares that add up to 1


@dataclass(frozen=True, slots=True)
class _Plan:
    """A query in the form in which it is asked, and the document that answers it."""

    name: str
    positive: str
    query: str
    labelled: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """A list before the teacher has seen it; its positive, if it is labelled, comes first."""

    query: str
    passages: tuple[str, ...]
    labelled: bool


def make(
    settings: FinetuneSettings,
    sets: Sequence[tuple[Index, Sequence[str]]],
    teacher: Teacher | None,
    progress: Callable[[str], None],
) -> list[TrainingList]:
    """Make the training lists of several sets, each with the ids of the queries that may be drawn.

    `teacher` is None where nothing of it is asked: each list is labelled, and its label is all of its target.
    """
    rng = random.Random(settings.seed)  # noqa: S311 (training data, no secret)
    weights = [index.examples.weight or len(names) for index, names in sets]
    drafts: list[_Draft] = []
    for (index, names), weight in zip(sets, weights, strict=True):
        count = round(settings.lists * weight / sum(weights))
        drawn = draw(index.examples, names, dict(settings.kinds), count, rng)
        drafts += _Drafter(settings, index, rng).drafts(drawn)
        progress(f"{index.examples.name}: {len(drawn)} lists of {len(names)} queries")
    rng.shuffle(drafts)
    asked = [draft for draft in drafts if settings.distill or not draft.labelled]
    opinions = iter(_opinions(asked, teacher, progress))
    sharpness = settings.sharpness or (teacher.sharpness if teacher else 1.0)
    result = []
    for draft in drafts:
        weight = settings.distill if draft.labelled else 1.0
        opinion = next(opinions) if weight else np.zeros(len(draft.passages), np.float32)
        shares = targets(opinion * sharpness, weight)
        result.append(TrainingList(draft.query, draft.passages, tuple(np.log(shares).tolist())))
    return result


def kept(path: Path, made: Callable[[], list[TrainingList]]) -> list[TrainingList]:
    """Return the lists that an interrupted run of the same settings left in a file, else make and keep them."""
    if not path.is_file():
        found = [[one.query, one.passages, one.targets] for one in made()]
        part = path.with_suffix(".part")
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(path)
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return [TrainingList(query, tuple(passages), tuple(shares)) for query, passages, shares in loaded]


def draw(
    examples: Examples, names: Sequence[str], factors: Mapping[str, float], count: int, rng: random.Random
) -> list[str]:
    """Draw queries, each once, with a chance in proportion to its kind's factor; a factor of 0 leaves a kind out.

    A factor's name is a kind, or SET/KIND. The draw is that of Efraimidis and Spirakis (2006): the largest of
    u^(1/weight), with u from 0 to 1.
    """
    keyed = []
    for name in names:
        kind = examples.kinds.get(name, "")
        factor = factors.get(f"{examples.name}/{kind}", factors.get(kind, 1.0))
        if factor > 0:
            keyed.append((rng.random() ** (1 / factor), name))
    return [name for _, name in sorted(keyed, reverse=True)[:count]]


def _opinions(drafts: Sequence[_Draft], teacher: Teacher | None, progress: Callable[[str], None]) -> list[Floats]:
    """Return what the teacher says of every list, float32 [passages] each."""
    if teacher is None or not drafts:
        return [np.zeros(len(draft.passages), np.float32) for draft in drafts]
    pairs = [(draft.query, passage) for draft in drafts for passage in draft.passages]
    progress(f"Asking the teacher about {len(pairs)} passages")
    ends = np.cumsum([len(draft.passages) for draft in drafts])[:-1]
    return np.split(teacher.agreement(pairs), ends)


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
    """The draw of a set's candidates and of the shapes of its texts."""

    def __init__(self, settings: FinetuneSettings, index: Index, rng: random.Random) -> None:
        self._settings = settings
        self._examples = index.examples
        self._index = index
        self._random = rng
        self._cutter = wording.Cutter(self._examples.documents.values())

    def drafts(self, names: Sequence[str]) -> list[_Draft]:
        plans = [self._plan(name) for name in names]
        queries = [plan.query for plan in plans]
        found = self._index.candidates(queries, self._settings.candidates, self._settings.depth)
        return [self._draft(plan, candidates) for plan, candidates in zip(plans, found, strict=True)]

    def _plan(self, name: str) -> _Plan:
        """Decide in which form a query is asked, and whether its labels hold for that form."""
        query, positive = self._examples.queries[name], self._random.choice(list(self._examples.relevant[name]))
        labelled = self._random.random() >= self._settings.unlabelled
        if self._random.random() >= self._settings.augment:
            asked = query if self._random.random() < _ASKED else wording.plain(query)
            return _Plan(name, positive, asked, labelled)
        title = self._examples.titles.get(positive, "")
        if labelled:
            forms = [wording.keywords(query, self._random), wording.imperative(query)]
            if title and self._random.random() < _TITLES:
                return _Plan(name, positive, title, labelled)
            return _Plan(name, positive, self._random.choice(forms), labelled)
        document = self._examples.documents[positive]
        forms = [
            wording.keywords(query, self._random),
            wording.beginning(query),
            wording.excerpt(document, self._random),
        ]
        return _Plan(name, positive, self._random.choice(forms), labelled)

    def _draft(self, plan: _Plan, nearest: list[str]) -> _Draft:
        settings, relevant = self._settings, self._examples.relevant[plan.name]
        shown = plan.labelled or self._random.random() < _POSITIVE_SHOWN
        pool = [document for document in nearest if document not in relevant or (shown and not plan.labelled)]
        if plan.labelled:
            pool = [document for document in pool if not self._index.alike(document, plan.positive)][settings.skip :]
        given = list(self._examples.negatives.get(plan.name, ()))
        chosen = [plan.positive] if plan.labelled else []
        wanted = settings.passages - _RANDOM - len(chosen)
        chosen += self._some(given if len(given) >= wanted else [*given, *pool], wanted)
        chosen += self._anywhere({*relevant, *chosen}, settings.passages - len(chosen))
        asked = self._examples.queries[plan.name] if plan.labelled else plan.query
        passages = self._cut(chosen, asked)
        if plan.labelled and self._random.random() < settings.negated:
            denied = wording.negated(passages[0], asked)
            passages[1:2] = [denied or passages[1]]
        return _Draft(plan.query, tuple(passages), plan.labelled)

    def _cut(self, names: Sequence[str], asked: str) -> list[str]:
        """Cut a list's documents: to where the query's words are, or as a server would read them, from the start."""
        documents = [self._examples.documents[name] for name in names]
        if self._random.random() < self._settings.whole:
            return documents
        words = self._settings.passage_words
        length = self._random.randint(words // 2, words * 3 // 2)
        return [self._cutter.cut(document, asked, length) for document in documents]

    def _anywhere(self, taken: set[str], count: int) -> list[str]:
        """Draw documents from the whole corpus; more than needed, since a few may be taken."""
        ids = self._index.ids
        drawn = self._random.sample(ids, min(count + len(taken), len(ids)))
        return [document for document in drawn if document not in taken][:count]

    def _some(self, pool: list[str], count: int) -> list[str]:
        distinct = list(dict.fromkeys(pool))
        return self._random.sample(distinct, min(count, len(distinct)))
