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
    given = ("--candidates", "lists.json") if kind == "reranker" else ("--corpus", "corpus.jsonl")
    path = str(getattr(tiny, kind))
    monkeypatch.setattr("sys.argv", ["variants", f"--{kind}", path, given[0], str(files / given[1]), "--rounds", "1"])
    assert variants.main() == 0
    found = {one["variant"]: one for one in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert set(found) == {"fp32", "int8-token"}
    assert (found["fp32"]["speed"], found["fp32"]["kept"]) == (1.0, 1.0)
    assert all(one["texts_per_s"] > 0 for one in found.values())
    assert all(one["change"] == 0 for one in found.values())


def test_both_models_in_one_run(tiny, files, monkeypatch, capsys):
    """A reranker and an embedder are measured by one command, each against its own fp32."""
    given = ["--reranker", str(tiny.reranker), "--candidates", str(files / "lists.json"), "--rounds", "1"]
    given += ["--embedder", str(tiny.embedder), "--corpus", str(files / "corpus.jsonl")]
    monkeypatch.setattr("sys.argv", ["variants", *given])
    assert variants.main() == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["model"] for one in found if one["variant"] == "fp32"] == ["reranker", "embedder"]


@pytest.mark.parametrize(
    ("given", "told"),
    [((), "give --reranker, --embedder or both"), (("--providers", "cpu,gpu"), "'gpu' is none of cpu, openvino")],
)
def test_what_cannot_be_measured(monkeypatch, capsys, given, told):
    """No bundle, or a provider that there is not, ends the command with the remedy."""
    monkeypatch.setattr("sys.argv", ["variants", *given])
    assert variants.main() == 2
    assert told in capsys.readouterr().err


def test_a_bundle_of_the_other_kind_is_named(tiny, files, monkeypatch, capsys):
    """A bundle that cannot be used ends the command in one line."""
    given = ["--reranker", str(tiny.embedder), "--candidates", str(files / "lists.json")]
    monkeypatch.setattr("sys.argv", ["variants", *given])
    assert variants.main() == 2
    assert "is of kind embedder, but kind reranker is needed" in capsys.readouterr().err


def test_a_file_of_another_form_is_named(tiny, files, monkeypatch, capsys):
    """A file that is no list of candidates ends the command with its name and what it must be."""
    given = ["--reranker", str(tiny.reranker), "--candidates", str(files / "corpus.jsonl")]
    monkeypatch.setattr("sys.argv", ["variants", *given])
    assert variants.main() == 2
    assert "corpus.jsonl is no file of candidate lists" in capsys.readouterr().err


def test_a_missing_file_is_named(tiny, monkeypatch, capsys):
    """A file that is not there ends the command with its name."""
    monkeypatch.setattr("sys.argv", ["variants", "--reranker", str(tiny.reranker), "--candidates", "no.json"])
    assert variants.main() == 2
    assert "no.json cannot be read: No such file" in capsys.readouterr().err
