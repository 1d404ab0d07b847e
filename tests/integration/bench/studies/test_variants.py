"""The benchmark of variants runs on a bundle's own graphs and tells what it found."""

import json

import pytest

from shortlist.bench.studies import variants


@pytest.fixture
def files(tmp_path):
    """Write candidates and a corpus of a few texts."""
    texts = [f"passage number {number} about rivers and hills" for number in range(24)]
    hits = [{"content": text} for text in texts[:4]]
    (tmp_path / "lists.json").write_text(json.dumps([{"query": f"query {n}", "hits": hits} for n in range(3)]))
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps({"_id": text, "text": text}) + "\n" for text in texts))
    return tmp_path


@pytest.mark.parametrize("kind", ["reranker", "embedder"])
def test_every_variant_is_timed(tiny, files, kind, monkeypatch, capsys):
    """All variants are in the last line's JSON, fp32 as the base of all ratios, with what they keep of it."""
    given = ["--bundle", str(getattr(tiny, kind)), "--rounds", "1"]
    file = "lists.json" if kind == "reranker" else "corpus.jsonl"
    monkeypatch.setattr("sys.argv", ["variants", *given, "--file", str(files / file)])
    assert variants.main() == 0
    found = {one["variant"]: one for one in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert set(found) == {"fp32", "int8-token"}
    assert {one["model"] for one in found.values()} == {kind}
    assert (found["fp32"]["speed"], found["fp32"]["kept"]) == (1.0, 1.0)
    assert all(one["texts_per_s"] > 0 for one in found.values())
    assert all(one["change"] == 0 for one in found.values())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "--bundle is missing"),
        (
            ("--bundle", "b", "--file", "f", "--providers", "cpu,gpu"),
            'Invalid value "gpu" for --providers',
        ),
        (("--bundle", "none", "--file", "f"), "no bundle at none"),
    ],
)
def test_what_cannot_be_measured(monkeypatch, capsys, given, told):
    """No bundle, one that is not there, or a provider that there is not, ends the command with the remedy."""
    monkeypatch.setattr("sys.argv", ["variants", *given])
    assert variants.main() == 2
    assert told in capsys.readouterr().err


def test_a_file_of_another_form_is_named(tiny, files, monkeypatch, capsys):
    """A file that is no list of candidates ends the command with its name and what it must be."""
    given = ["--bundle", str(tiny.reranker), "--file", str(files / "corpus.jsonl")]
    monkeypatch.setattr("sys.argv", ["variants", *given])
    assert variants.main() == 2
    assert "corpus.jsonl is no file of candidate lists" in capsys.readouterr().err


def test_a_missing_file_is_named(tiny, monkeypatch, capsys):
    """A file that is not there ends the command with its name."""
    monkeypatch.setattr("sys.argv", ["variants", "--bundle", str(tiny.reranker), "--file", "no.json"])
    assert variants.main() == 2
    assert "no.json cannot be read: No such file" in capsys.readouterr().err
