"""Collections in BEIR's layout, as the benchmarks read them."""

import json

from shortlist.bench import beir


def test_documents_without_a_text_are_left_out(tmp_path):
    """They are named, and what is written for the index holds all other lines as they are."""
    documents = [{"_id": "1", "title": "T", "text": "a wing"}, {"_id": "2", "text": " "}, {"_id": "3", "text": "b"}]
    lines = [json.dumps(one) + "\n" for one in documents]
    (tmp_path / "corpus.jsonl").write_text("".join(lines))
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "wing"}\n{"_id": "unjudged", "text": "x"}\n')
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t2\nunjudged\t3\t0\n")
    judged = beir.load(tmp_path)
    assert judged.queries == {"q": "wing"}
    assert judged.without_text == ("2",)
    beir.write_indexable(judged, tmp_path / "kept.jsonl")
    assert (tmp_path / "kept.jsonl").read_text() == lines[0] + lines[2]
