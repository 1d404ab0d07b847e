"""Collections on disk as BEIR lays them out: corpus.jsonl, queries.jsonl, qrels.tsv."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Judged:
    """Hold a collection with queries and judgements."""

    name: str
    corpus: Path  # corpus.jsonl, as `shortlist index` reads it
    queries: dict[str, str]  # id -> text
    relevant: dict[str, dict[str, int]]  # query id -> document id -> grade, above 0 is relevant


def load(folder: Path) -> Judged:
    """Read the queries and judgements of a folder; queries without a relevant document are left out.

    Raises:
        FileNotFoundError: one of the three files is missing.
    """
    relevant: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if int(row["score"]) > 0:
                relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    with (folder / "queries.jsonl").open(encoding="utf-8") as stream:
        texts = {entry["_id"]: entry["text"] for entry in map(json.loads, stream)}
    queries = {name: text for name, text in texts.items() if name in relevant}
    return Judged(folder.name, folder / "corpus.jsonl", queries, relevant)
