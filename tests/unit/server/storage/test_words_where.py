"""Searches by words among the documents that match a filter, held against all documents ranked and filtered here."""

import json
import operator
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from shortlist.server.storage.filters import AllOf, Condition, Filter, NotOf, OneOf, Value
from shortlist.server.storage.listing import Page
from tiny_collections import DIMENSIONS, create, followed, upsert, vector

COUNT = 4000
ASKED = "folder zebra key"
SHARES = {"one in a thousand": 1000, "one in a hundred": 100, "one in ten": 10, "half": 2}
ON, HAS_ZEBRA = "on", "has_zebra"


def one(name: str) -> Condition:
    """Return the filter for a field that is true."""
    return Condition(name, OneOf((Value("truth", 1),)))


FILTERS: dict[str, Filter] = {
    **{share: one(f"each{every}") for share, every in SHARES.items()},
    "correlated": AllOf((one("each10"), one(HAS_ZEBRA))),
    "anti-correlated": AllOf((one("each10"), NotOf(one(HAS_ZEBRA)))),
    "none": AllOf((one("each10"), NotOf(one("each10")))),
}
# The same in Python, of a document's metadata.
TESTS: dict[str, Callable[[dict[str, bool]], bool]] = {
    **{share: operator.itemgetter(f"each{every}") for share, every in SHARES.items()},
    "correlated": lambda flags: flags["each10"] and flags[HAS_ZEBRA],
    "anti-correlated": lambda flags: flags["each10"] and not flags[HAS_ZEBRA],
    "none": lambda _: False,
}


def document(number: int, rng: random.Random) -> Document:
    """Return a document of a few words, of which some are asked for, with metadata that tell what it has."""
    words = rng.choices([f"word{place}" for place in range(200)], k=rng.randint(3, 12))
    words += [word for word in ASKED.split() if rng.random() < 0.1 for _ in range(rng.randint(1, 3))]
    flags = {f"each{every}": number % every == 0 for every in SHARES.values()} | {HAS_ZEBRA: "zebra" in words}
    metadata = ",".join(f'"{name}":{str(value).lower()}' for name, value in flags.items())
    return Document(str(number), " ".join(words), metadata=f"{{{metadata}}}")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """Return a collection of which some documents were replaced or deleted, and the last are in no commit yet."""
    collection, rng = create(tmp_path_factory.mktemp("words") / "c"), random.Random(0)
    every = [document(number, rng) for number in range(COUNT)]
    vectors = np.random.default_rng(0).normal(size=(COUNT, DIMENSIONS)).astype(np.float32)
    collection.upsert(every, vectors, [3] * COUNT)
    followed()
    with collection._indexes.words._committing:
        upsert(collection, *(document(number, rng) for number in range(0, COUNT, 7)))
        collection.delete([str(number) for number in range(0, COUNT, 13)])
        yield collection
    collection.close()


@pytest.mark.parametrize("count", [1, 10, 50])
@pytest.mark.parametrize("name", FILTERS)
def test_the_best_that_match_are_found(filled: Collection, name: str, count: int):
    """Whatever share matches, with the words or without, the best are found, as many as there are."""
    ranked = filled.by_words.search(ASKED, vector("x"), COUNT).candidates
    every, _ = filled.page(Page(size=COUNT, most_bytes=1 << 30))
    inside = {row.id for _, row in every if TESTS[name](json.loads(row.metadata))}
    expected = [hit.lexical_score for hit in ranked if hit.document.id in inside][:count]
    found = filled.by_words.search(ASKED, vector("x"), count, FILTERS[name])
    assert [hit.lexical_score for hit in found.candidates] == pytest.approx(expected)
    assert [hit.rank for hit in found.candidates] == list(range(1, len(expected) + 1))
    assert {hit.document.id for hit in found.candidates} <= inside
    assert found.matched == len(inside)


def test_both_plans_are_taken(filled: Collection):
    """Few that match are searched alone, many through the index; the answer tells which."""
    plans = {name: filled.by_words.search(ASKED, vector("x"), 10, where).plan for name, where in FILTERS.items()}
    assert (plans["one in a thousand"], plans["half"], plans["none"]) == ("exact", "index", "exact")


def test_what_changes_between_filter_and_search(tmp_path: Path):
    """A document that matches is found each time while it is replaced over and over."""
    collection = create(tmp_path / "c")
    others = [Document(f"other{number}", "zebra", metadata='{"on":false}') for number in range(50)]
    upsert(collection, *others, Document("it", "zebra", metadata='{"on":true}'))

    def replace() -> None:
        for number in range(60):
            upsert(collection, Document("it", f"zebra {number}", metadata='{"on":true}'))

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        while not replacing.done():
            found = collection.by_words.search("zebra", vector("x"), 3, one(ON))
            assert ([hit.document.id for hit in found.candidates], found.plan) == (["it"], "exact")
        replacing.result()
    collection.close()
