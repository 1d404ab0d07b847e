"""The measures of `shortlist eval`: trec_eval's, held against figures by hand, our own code and a published one."""

import json
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.bench.measures import ndcg
from shortlist.evaluation import measures

DOCUMENTS = [f"d{number}" for number in range(30)]
GRADES = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(1, 3), min_size=1, max_size=15)


@given(st.permutations(DOCUMENTS), GRADES, st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_the_library_agrees_with_our_own(order, grades, depth):
    """nDCG@10 is that of export's gate and of training, and recall and MRR are what their definitions say."""
    ranking = list(order)[:depth]
    found = measures.measure({"q": ranking}, {"q": grades}, (10, 20))
    places = [place for place, one in enumerate(ranking[:10], start=1) if one in grades]
    assert found["nDCG@10"]["q"] == pytest.approx(ndcg(ranking, grades), abs=1e-6)
    assert found["MRR@10"]["q"] == pytest.approx(1 / places[0] if places else 0, abs=1e-6)
    for cut in (10, 20):
        share = len(grades.keys() & set(ranking[:cut])) / len(grades)
        assert found[f"recall@{cut}"]["q"] == pytest.approx(share, abs=1e-6)


def test_an_order_is_kept_as_it_is():
    """A document that stands first counts as first, whatever its id: trec_eval breaks ties by id."""
    grades = {"one": {"a": 1}, "two": {"z": 1}}
    found = measures.measure({"one": ["a", "z"], "two": ["z", "a"]}, grades)
    assert found["MRR@10"] == {"one": 1.0, "two": 1.0}


def test_a_query_without_hits_counts():
    """An empty ranking is worth 0, and lowers the mean."""
    found = measures.measure({"full": ["a"], "empty": []}, {"full": {"a": 1}, "empty": {"a": 1}})
    assert measures.means(found) == {"nDCG@10": 0.5, "recall@10": 0.5, "MRR@10": 0.5}


def test_below_the_tenth_place():
    """What stands eleventh counts for no measure at 10, and for the recall at 50."""
    ranking = [*map(str, range(10)), "a"]
    found = measures.means(measures.measure({"q": ranking}, {"q": {"a": 1}}, (10, 50)))
    assert found == {"nDCG@10": 0, "recall@10": 0, "recall@50": 1, "MRR@10": 0}


def test_lost():
    """Of three relevant documents of two queries one is found: two thirds are lost, though recalls are 1/2 and 0."""
    grades = {"one": {"a": 1, "b": 2}, "two": {"c": 1}}
    assert measures.lost({"one": ["x", "b"], "two": ["a"]}, grades) == pytest.approx(2 / 3)


def test_at_best():
    """The best order of the candidates has the highest grades first; what is not among them stays lost."""
    grades = {"q": {"low": 1, "high": 3, "gone": 3}}
    best = ndcg(["high", "low"], grades["q"])
    assert measures.at_best({"q": ["x", "low", "high"]}, grades) == pytest.approx(best, abs=1e-6)
    assert best < 1


def test_bm25_on_dl_2019(shared_data: Path):
    """BM25's run on TREC DL 2019 measures 0.506, as published with it, and each query as our own code has it."""
    grades: dict[str, dict[str, int]] = {}
    for line in (shared_data / "qrels.dl19-passage.txt").read_text().splitlines():
        query, _, document, grade = line.split()
        if int(grade) > 0:
            grades.setdefault(query, {})[document] = int(grade)
    run = json.loads((shared_data / "BM25.retrieve_results_dl19_top100.json").read_text(encoding="utf-8"))
    rankings = {
        str(entry["hits"][0]["qid"]): [
            str(hit["docid"]) for hit in sorted(entry["hits"], key=lambda hit: hit["rank"])
        ]
        for entry in run
    }
    found = measures.measure(rankings, grades)["nDCG@10"]
    assert fmean(found.values()) == pytest.approx(0.506, abs=0.0005)
    assert found == {query: pytest.approx(ndcg(one, grades[query]), abs=1e-6) for query, one in rankings.items()}
