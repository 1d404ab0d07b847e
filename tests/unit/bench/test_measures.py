"""nDCG by hand and against a published figure; `unit/evaluation` holds it against trec_eval."""

import json
import math
from pathlib import Path
from statistics import fmean

import pytest

from shortlist.bench.measures import ndcg


def test_ndcg_by_hand():
    """Two relevant documents at places 2 and 4: (1/log2 3 + 1/log2 5) over the best, (1 + 1/log2 3)."""
    got = 1 / math.log2(3) + 1 / math.log2(5)
    assert ndcg(["x", "a", "y", "b"], {"a": 1, "b": 1}) == pytest.approx(got / (1 + 1 / math.log2(3)))


def test_ndcg_has_linear_gain():
    """A grade of 3 counts three times a grade of 1."""
    assert ndcg(["low", "high"], {"high": 3, "low": 1}) == pytest.approx(
        (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))
    )


def test_ndcg_ends_at_its_cut():
    """What comes after the cut counts nothing, and nothing relevant at all gives 0."""
    assert ndcg(["x"] * 10 + ["a"], {"a": 1}) == 0
    assert ndcg(["a"], {}) == 0


def test_bm25_on_dl_2019(shared_data: Path):
    """BM25's run on TREC DL 2019 measures 0.506, as published with it."""
    grades: dict[str, dict[str, int]] = {}
    for line in (shared_data / "qrels.dl19-passage.txt").read_text().splitlines():
        query, _, document, grade = line.split()
        grades.setdefault(query, {})[document] = int(grade)
    run = json.loads((shared_data / "BM25.retrieve_results_dl19_top100.json").read_text(encoding="utf-8"))
    rankings = {
        str(entry["hits"][0]["qid"]): [
            str(hit["docid"]) for hit in sorted(entry["hits"], key=lambda hit: hit["rank"])
        ]
        for entry in run
    }
    mean = fmean(ndcg(ranking, grades[query]) for query, ranking in rankings.items())
    assert mean == pytest.approx(0.506, abs=0.0005)
