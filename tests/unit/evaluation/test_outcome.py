"""An evaluation that was saved, read again as a baseline."""

import dataclasses

import pytest

import judged_folders
from shortlist.bench import beir
from shortlist.console.errors import UsageError
from shortlist.evaluation import outcome, report, runs
from shortlist.evaluation.asking import Read
from shortlist.evaluation.outcome import Outcome


@pytest.fixture
def judged(tmp_path):
    """Read a folder of two documents and two queries."""
    texts, queries = {"1": "a wing", "2": "a hill"}, {"a": "wing", "b": "hill"}
    return beir.load(judged_folders.write(tmp_path, texts, queries, [("a", "1", 1), ("b", "2", 1)]))


@pytest.fixture
def measured(judged):
    """Measure what two searches found: stage one has the relevant documents second, both stages have them first."""
    alone = runs.stage_one("dense", {"a": ["2", "1"], "b": ["1", "2"]}, judged.relevant, 1.5)
    read = {"a": [Read("1", 2, 0.9), Read("2", 1, 0.2)], "b": [Read("2", 2, 0.9), Read("1", 1, None)]}
    return Outcome(
        collection=judged.name,
        qrels=judged.qrels.name,
        judgements=judged.digest,
        documents=2,
        without_text=0,
        itself=0,
        queries=2,
        embedder="embedder fp32",
        reranker="reranker fp32",
        similarity_weight=0.0,
        margin=2.0,
        runs=[alone, runs.both(alone, 2, read, judged.relevant, None)],
        seconds=1.0,
    )


def test_both_stages(measured):
    """A run of both stages tells what it read, lost and won, beside stage one on the same queries."""
    alone, both = measured.runs
    assert (alone.measures["MRR@10"], both.measures["MRR@10"]) == (0.5, 1.0)
    assert (both.name, both.read, both.lost, both.at_best) == ("dense-reranked-2", 1.5, 0.0, 1.0)
    # Two scores of 0.9 for what is relevant, in one bin, and one of 0.2 for what is not: (0.2 + 0.2) over 3 scores.
    assert both.calibration_error == pytest.approx(0.4 / 3)
    assert both.over_stage_one.before == alone.measures["nDCG@10"]
    assert (both.over_stage_one.now, both.over_stage_one.better) == (1.0, 2)


def test_a_saved_run_is_read_as_it_was(measured, judged, tmp_path):
    """What is printed as JSON comes back equal, and compared with itself nothing differs."""
    path = tmp_path / "run.json"
    path.write_text(measured.as_json())
    again = outcome.load(path, judged)
    assert again == measured
    compared = outcome.compared(measured.runs, again)
    assert [(one.run, one.measure) for one in compared] == [
        ("dense", "nDCG@10"),
        ("dense", "recall@50"),
        ("dense-reranked-2", "nDCG@10"),
    ]
    assert all((one.difference, one.p, one.better, one.worse) == (0, 1.0, 0, 0) for one in compared)


def test_a_baseline_of_other_judgements(measured, judged, tmp_path):
    """A run that was judged by others is refused: its values mean something else."""
    path = tmp_path / "run.json"
    path.write_text(measured.as_json())
    other = dataclasses.replace(judged, relevant={"a": {"1": 1}, "b": {"1": 1}})
    with pytest.raises(UsageError, match=r"run\.json is of .*, whose judgements are not those of"):
        outcome.load(path, other)


@pytest.mark.parametrize("content", ["", "[]", '{"runs": []}'])
def test_what_is_no_saved_run(judged, tmp_path, content):
    """A file of something else is refused, with the command that makes one."""
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"is not what `shortlist eval --json` prints .* --json > run\.json"):
        outcome.load(path, judged)


def test_a_baseline_that_is_not_there(judged, tmp_path):
    """A file that cannot be read is named."""
    with pytest.raises(UsageError, match=r"nothing\.json cannot be read: No such file"):
        outcome.load(tmp_path / "nothing.json", judged)


def test_tables(measured, judged):
    """Each table has its heads and a row for each run; the ceiling is said, and few queries are noted."""
    measured = dataclasses.replace(measured, over_baseline=outcome.compared(measured.runs, measured))
    lines = list(report.tables(measured))
    rows = [line.split() for line in lines]
    assert "stage one; its recall is the ceiling of what stage two can find" in lines
    assert rows[5] == ["dense", "2", *["1.0000"] * 4, "0.6309", "0.5000", "1.5"]
    assert rows[10][:9] == ["dense", "2", "1.5", "0.0%", "1.0000", "1.0000", "+0.3691", "±0.0000", "<0.001"]
    assert [row[:2] for row in rows[-3:]] == [
        ["dense", "nDCG@10"],
        ["dense", "recall@50"],
        ["dense-reranked-2", "nDCG@10"],
    ]
    assert list(report.notes(measured, judged, None)) == ["2 queries tell little: small differences are chance"]
