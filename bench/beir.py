"""Collections on disk as BEIR lays them out: corpus.jsonl, queries.jsonl, qrels.tsv.

Some of them hold documents without a text (Cranfield's 471), which `shortlist index` refuses: a collection of one's
own should not have them. A benchmark cannot mend its collection, so it leaves them out and says so.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Judged:
    """A collection with queries and judgements."""

    name: str
    corpus: Path  # corpus.jsonl, as `shortlist index` reads it
    queries: dict[str, str]  # id -> text
    relevant: dict[str, dict[str, int]]  # query id -> document id -> grade, above 0 is relevant
    without_text: tuple[str, ...]  # documents of the corpus that no index takes


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
    corpus = folder / "corpus.jsonl"
    empty = tuple(entry["_id"] for _, entry in _documents(corpus) if not entry["text"].strip())
    return Judged(folder.name, corpus, queries, relevant, empty)


def write_indexable(judged: Judged, path: Path) -> None:
    """Write the corpus without the documents that have no text."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(line for line, entry in _documents(judged.corpus) if entry["text"].strip())


def _documents(corpus: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each line of a corpus, and what it holds."""
    with corpus.open(encoding="utf-8") as stream:
        for line in filter(str.strip, stream):
            yield line, json.loads(line)
