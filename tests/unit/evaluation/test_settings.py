"""What `shortlist eval` refuses before it asks a server for anything."""

from pathlib import Path

import pytest

from parsed import parsed
from shortlist.cli.main import main
from shortlist.console.errors import UsageError
from shortlist.evaluation.settings import EvalSettings


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"candidates": (0,)}, 'Invalid value "(0,)" for --candidates.'),
        ({"candidates": ()}, "candidates is empty: name one number at least"),
        ({"rerank_queries": -1}, 'Invalid value "-1" for --rerank-queries. Must be 0 or more.'),
        ({"timed_queries": -1}, 'Invalid value "-1" for --timed-queries. Must be 0 or more.'),
        ({"margin": 2.5}, 'Invalid value "2.5" for --margin.'),
        ({"similarity_weight": 101}, 'Invalid value "101.0" for --similarity-weight.'),
        ({"embedder": Path("e")}, "reranker is not set"),
        ({"serve_options": {"slots": 1}}, "give embedder and reranker too"),
        ({"embedder": Path("e"), "reranker": Path("r"), "collection": "notes"}, "leave it out"),
        ({"plot": Path("plot.pdf")}, "plot is plot.pdf, but it must end in .png or .svg"),
        ({"plot": Path("nowhere/plot.svg")}, "there is no folder nowhere"),
        ({"run_out": Path(__file__)}, "but that is a file: name a folder"),
        ({"timeout_s": 0.0}, "timeout_s"),
    ],
)
def test_bad_settings(given, told):
    """The setting, its value and the remedy are named."""
    with pytest.raises(UsageError) as caught:
        parsed(EvalSettings, **given)
    assert told in str(caught.value)


def test_candidates_are_sorted_and_counted_once():
    """Numbers of candidates come in any order, and one that is given twice is one run."""
    assert parsed(EvalSettings, candidates=(50, 10, 50)).counts == (10, 50)
    assert EvalSettings().counts == (10, 20, 50, 100, 200)


def test_a_folder_that_is_none(tmp_path, capsys):
    """A folder without judgements ends the command with one line, before any server is asked or started."""
    assert main(("eval", str(tmp_path), "--address", "127.0.0.1:1")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"shortlist eval: {tmp_path / 'qrels.tsv'} is not there; a folder in BEIR's layout holds ")


def test_help_teaches(capsys):
    """--help says what the figures mean, and that recall is the ceiling of what stage two can find."""
    assert main(("eval", "--help")) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for word in ("the ceiling of what stage two can find", "linear gain", "paired t-test", "--baseline RUN.json"):
        assert word in shown
