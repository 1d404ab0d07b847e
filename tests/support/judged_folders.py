"""Folders in BEIR's layout."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def write(
    folder: Path,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    judgements: Iterable[tuple[str, str, int]],
    qrels: str = "qrels.tsv",
) -> Path:
    """Write a corpus, queries and judgements of query, document and grade; return the folder."""
    for name, texts in (("corpus", documents), ("queries", queries)):
        lines = [json.dumps({"_id": one, "text": text}) + "\n" for one, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    path = folder / qrels
    path.parent.mkdir(exist_ok=True)
    rows = [f"{query}\t{document}\t{grade}\n" for query, document, grade in judgements]
    path.write_text(f"query-id\tcorpus-id\tscore\n{''.join(rows)}", encoding="utf-8")
    return folder
