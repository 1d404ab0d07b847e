"""Training lists: targets, candidates, what is never a negative. The embedder is a stand-in with known vectors."""

import math
import random
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from shortlist.finetune import lists
from shortlist.finetune.candidates import Index
from shortlist.finetune.models import Dual
from shortlist.finetune.reading import Examples
from shortlist.finetune.settings import FinetuneSettings
from shortlist.finetune.teachers import Pooled

SIZE = 20
NUMBER = re.compile(r"[\d.]+")


class Angles(Dual):
    """An encoder that puts a text at the angle that is the first number in it, in degrees."""

    name = "angles"

    def __init__(self) -> None:
        """Load nothing."""

    def queries(self, texts):
        return self.documents(texts)

    def documents(self, texts):
        angles = [math.radians(float((NUMBER.findall(text) or [0])[0])) for text in texts]
        return np.array([(math.cos(angle), math.sin(angle)) for angle in angles], np.float32)


@pytest.fixture
def examples():
    """Return documents 5 degrees apart, of which each query's two nearest are relevant; two are nearly the same."""
    documents = {f"d{i}": f"{5 * i} word" for i in range(SIZE)} | {"twin": "0.1 word"}
    queries = {f"q{i}": f"{5 * i} asked" for i in range(0, SIZE, 4)}
    relevant = {name: {f"d{name[1:]}": 2, f"d{int(name[1:]) + 1}": 1} for name in queries}
    return Examples(queries, documents, relevant)


def settings(tmp_path, **changes):
    """Return settings with what these tests look at."""
    plain = {"passages": 5, "depth": 8, "augment": 0.0, "unlabelled": 0.0, "candidates": "dense"}
    return FinetuneSettings(base="b", out=tmp_path, **{**plain, **changes})


def make(tmp_path, examples, **changes):
    """Make lists."""
    finder = Angles()
    sets = [(Index(finder, examples), list(examples.queries))]
    return lists.make(settings(tmp_path, **changes), sets, Pooled(finder), print)


def away(one):
    """Return how far each passage of a list is from its query, in degrees."""
    return [abs(float(passage.split()[0]) - float(one.query.split()[0])) for passage in one.passages]


def test_one_positive_and_negatives(tmp_path, examples):
    """A labelled list begins with a positive; nothing else that is judged relevant is in it, nor its twin."""
    for one in make(tmp_path, examples):
        name = f"q{int(float(one.query.split()[0])) // 5}"
        relevant = {examples.documents[document] for document in examples.relevant[name]}
        assert one.passages[0] in relevant
        assert not relevant & set(one.passages[1:])
        assert len(set(one.passages)) == len(one.passages) == 5
        if one.passages[0] == "0 word":
            assert "0.1 word" not in one.passages[1:-1]


def test_given_negatives_come_first(tmp_path, examples):
    """Negatives that the data brings are used before mined ones."""
    given = Examples(examples.queries, examples.documents, examples.relevant, {"q0": ("d17", "d18", "d19")})
    (one,) = [found for found in make(tmp_path, given) if found.query == "0 asked"]
    assert set(one.passages[1:4]) == {"85 word", "90 word", "95 word"}


def test_the_first_places_are_passed_over(tmp_path, examples):
    """With `skip` no negative is among the first places of the ranking, where unjudged answers are likely."""

    def nearest(skip):
        made = make(tmp_path, examples, depth=20, skip=skip)
        return {one.query: min(away(one)[1:-1]) for one in made}  # the last is from anywhere

    near, far = nearest(0), nearest(6)
    assert all(far[query] > near[query] for query in near)


def test_weights_share_out_the_lists(tmp_path, examples):
    """Each set gives lists in proportion to its weight, by default its number of queries, and nobody is asked."""
    index = Index(Angles(), examples)
    heavy = Index(Angles(), replace(examples, name="heavy", weight=3.0))
    light = Index(Angles(), replace(examples, name="light", weight=1.0))
    for sets, counts in (([heavy, light], (3, 1)), ([index, index], (2, 2))):
        made = []
        drawn = [(one, list(examples.queries)) for one in sets]
        found = lists.make(settings(tmp_path, lists=4, distill=0.0), drawn, None, made.append)
        assert [int(line.split()[1]) for line in made] == list(counts)
        assert all(one.targets[0] == pytest.approx(0, abs=1e-4) for one in found)


def test_kinds_are_drawn_by_their_factors():
    """A kind with the factor 0 never comes, one with a tenth seldom; a set's own factor counts before the kind's."""
    names = [f"q{number}" for number in range(400)]
    kinds = {name: ("shown", "hidden", "old", "plain")[number % 4] for number, name in enumerate(names)}
    examples = Examples({}, {}, {}, kinds=kinds, name="api")
    factors = {"old": 0.0, "shown": 1.0, "api/shown": 0.1}
    drawn = Counter(kinds[name] for name in lists.draw(examples, names, factors, 150, random.Random(0)))
    assert drawn["old"] == 0
    assert 0 < drawn["shown"] < 30
    assert abs(drawn["hidden"] - drawn["plain"]) < 30
    assert len(lists.draw(examples, names, factors, 1000, random.Random(0))) == 300


def test_without_labels_the_teacher_decides(tmp_path, examples):
    """An unlabelled list's targets follow the teacher's cosines."""
    for one in make(tmp_path, examples, unlabelled=1.0):
        by_target = np.array(away(one))[np.argsort(-np.array(one.targets))]
        assert by_target.tolist() == sorted(away(one))


def test_nobody_is_asked_about_what_does_not_count(tmp_path, examples):
    """Without distillation the teacher reads the lists that have no label, and no others."""

    class Counting(Pooled):
        asked = 0

        def agreement(self, pairs):
            Counting.asked += len(pairs)
            return super().agreement(pairs)

    finder = Angles()
    sets = [(Index(finder, examples), list(examples.queries))]
    chosen = settings(tmp_path, unlabelled=0.5, distill=0.0)
    made = lists.make(chosen, sets, Counting(finder), print)
    labelled = [one for one in made if one.targets[0] == pytest.approx(0, abs=1e-4)]
    assert 0 < len(labelled) < len(made)
    assert Counting.asked == sum(len(one.passages) for one in made if one not in labelled)


def test_an_answer_that_is_denied_is_a_negative(tmp_path):
    """With `negated` a labelled list holds its positive and what says the opposite, and is no longer for that."""
    documents = {f"d{i}": f"{i} the server can be stopped" for i in range(SIZE)}
    only = Examples({"q": "0 stop the server"}, documents, {"q": {"d0": 1}})
    (one,) = make(tmp_path, only, negated=1.0)
    assert one.passages[:2] == ("0 the server can be stopped", "0 the server cannot be stopped")
    assert len(one.passages) == 5


def test_what_finds_the_candidates(tmp_path):
    """By BM25 come texts that share words, by the embedder its nearest, by both either, in turns."""
    documents = {f"near{i}": f"{20 + i} word" for i in range(6)} | {f"far{i}": f"{90 + i} asked" for i in range(6)}
    only = Examples({"q": "0 asked"}, {"d": "0 answer", **documents}, {"q": {"d": 1}})
    found = {}
    for kind in ("dense", "bm25", "both"):
        (one,) = make(tmp_path, only, candidates=kind, depth=6)
        found[kind] = {passage.split()[1] for passage in one.passages[1:-1]}  # the last is from anywhere
    assert found["dense"] == {"word"}
    assert found["bm25"] == {"asked"}
    assert found["both"] == {"word", "asked"}


def test_the_same_seed_makes_the_same_lists(tmp_path, examples):
    """Everything that is drawn comes from the seed."""
    shared = {"unlabelled": 0.5, "augment": 0.5}
    assert make(tmp_path, examples, **shared) == make(tmp_path, examples, **shared)
    assert make(tmp_path, examples, **shared) != make(tmp_path, examples, seed=1, **shared)


@pytest.mark.parametrize("distill", [0.0, 0.35, 1.0])
def test_targets_are_shares(distill):
    """Targets add up to 1; the label has its weight, and the teacher's order holds among the rest."""
    opinions = np.array([1.0, 3.0, 2.0], np.float32)
    shares = lists.targets(opinions, distill)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] >= (1 - distill) * (1 - 1e-5)
    assert shares[1] >= shares[2] > 0


def test_vectors_are_kept(tmp_path, examples):
    """A second run in the same folder embeds nothing; other texts are embedded anew."""

    class Once(Angles):
        documents_asked = 0

        def documents(self, texts):
            Once.documents_asked += len(texts)
            return super().documents(texts)

    first = Index(Once(), examples, tmp_path)
    again = Index(Once(), examples, tmp_path)
    assert Once.documents_asked == len(examples.documents)
    assert first.alike("d0", "twin")
    assert again.alike("d0", "twin")
    Index(Once(), replace(examples, documents={"d0": "1 other"}), tmp_path)
    assert Once.documents_asked == len(examples.documents) + 1


def test_search_is_exact(examples):
    """The index finds the nearest documents, best first, for any number of queries."""
    index = Index(Angles(), examples)
    drawn = random.Random(1).choices(range(0, 95, 5), k=300)
    for angle, (ids, cosines) in zip(drawn, index.search([f"{angle}.0 q" for angle in drawn], 3), strict=True):
        assert f"d{angle // 5}" in ids[:2]
        assert list(cosines) == sorted(cosines, reverse=True)
