"""Collections on disk as BEIR lays them out: corpus.jsonl, queries.jsonl, and qrels.tsv or qrels/SPLIT.tsv.

Some of them hold documents without a text (Cranfield's 471), which `shortlist index` refuses: a collection of one's
own should not have them. A benchmark cannot mend its collection, so it leaves them out and says so.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.console.errors import UsageError
from shortlist.server.errors import shown

DEFAULT_SPLIT = "test"
_LAYOUT = "a folder in BEIR's layout holds corpus.jsonl, queries.jsonl, and qrels.tsv or qrels/SPLIT.tsv"
_COLUMNS = ("query-id", "corpus-id", "score")


@dataclass(frozen=True, slots=True)
class Judged:
    """A collection with queries and judgements."""

    name: str
    corpus: Path  # corpus.jsonl, as `shortlist index` reads it
    qrels: Path
    queries: dict[str, str]  # id -> text
    relevant: dict[str, dict[str, int]]  # query id -> document id -> grade, above 0 is relevant
    documents: int | None  # of the corpus, with those without a text; None where it is a server's collection alone
    without_text: tuple[str, ...]  # documents of the corpus that no index takes
    itself: frozenset[str]  # queries that are documents too, under the same id

    @property
    def digest(self) -> str:
        """What tells these judgements from others."""
        judged = {name: self.relevant[name] for name in self.queries}
        return hashlib.sha256(json.dumps(judged, sort_keys=True).encode()).hexdigest()[:16]


def load(folder: Path, split: str | None = None, *, corpus_is_served: bool = False) -> Judged:
    """Read the queries and judgements of a folder; queries without a relevant document are left out.

    Args:
        folder: in BEIR's layout.
        split: which file below qrels/; without it qrels.tsv, or qrels/test.tsv where there is none.
        corpus_is_served: whether a server's collection holds the documents, so that corpus.jsonl may be missing, as
            in folders of judgements that the server's page made.

    Raises:
        UsageError: a file is missing, or holds something else.
    """
    corpus, asked = folder / "corpus.jsonl", folder / "queries.jsonl"
    qrels = _qrels(folder, split)
    relevant = _relevant(qrels)
    texts = {entry["_id"]: entry["text"] for _, entry in _lines(asked)}
    queries = {name: text for name, text in texts.items() if name in relevant}
    if not queries:
        raise UsageError(f"{qrels} judges no document relevant to a query of {asked}; there is nothing to measure")
    name = folder.resolve().name
    if corpus_is_served and not corpus.exists():
        return Judged(name, corpus, qrels, queries, relevant, None, (), frozenset())
    documents, empty, itself = 0, [], set()
    for _, entry in _lines(corpus):
        documents += 1
        if not entry["text"].strip():
            empty.append(entry["_id"])
        elif queries.get(entry["_id"]) == entry["text"]:
            itself.add(entry["_id"])
    return Judged(name, corpus, qrels, queries, relevant, documents, tuple(empty), frozenset(itself))


def passages(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the ids and texts of a folder's corpus, without titles; those that are blank are left out.

    Raises:
        UsageError: the corpus is missing, or holds something else.
    """
    yield from (
        (entry["_id"], entry["text"]) for _, entry in _lines(folder / "corpus.jsonl") if entry["text"].strip()
    )


def write_indexable(judged: Judged, path: Path) -> None:
    """Write the corpus without the documents that have no text."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(line for line, entry in _lines(judged.corpus) if entry["text"].strip())


def _qrels(folder: Path, split: str | None) -> Path:
    whole, splits = folder / "qrels.tsv", folder / "qrels"
    path = whole if split is None and whole.is_file() else splits / f"{split or DEFAULT_SPLIT}.tsv"
    if path.is_file():
        return path
    if there := sorted(one.stem for one in splits.glob("*.tsv")):
        raise UsageError(f"{path} is not there; qrels of {folder} are {', '.join(there)}: --split {there[0]}")
    if whole.is_file():
        raise UsageError(f"{path} is not there; {folder} has one qrels.tsv and no splits: leave --split out")
    raise UsageError(f"{whole} is not there; {_LAYOUT}")


def _relevant(qrels: Path) -> dict[str, dict[str, int]]:
    """Return the grades above 0, by query and document."""
    relevant: dict[str, dict[str, int]] = {}
    for number, row in _rows(qrels):
        try:
            query, document, grade = row["query-id"], row["corpus-id"], int(row["score"])
        except (KeyError, TypeError, ValueError):
            raise UsageError(
                f"{qrels}:{number}: is no judgement; the file has a header and the columns {', '.join(_COLUMNS)}"
                " with tabs between, and a score is a whole number"
            ) from None
        if grade > 0:
            relevant.setdefault(query, {})[document] = grade
    return relevant


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each judgement with the number of its line."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            yield from enumerate(csv.DictReader(stream, delimiter="\t"), start=2)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise UsageError(f"{path}: is not UTF-8 text; convert it first") from None


def _lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each line of a corpus or of queries, and what it holds."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield line, _entry(line, f"{path}:{number}")
    except FileNotFoundError:
        raise UsageError(f"{path} is not there; {_LAYOUT}") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise UsageError(f"{path}: is not UTF-8 text; convert it first") from None


def _entry(line: str, place: str) -> dict[str, str]:
    try:
        entry: dict[str, str] = json.loads(line)
        if isinstance(entry["_id"], str) and isinstance(entry["text"], str):
            return entry
    except (ValueError, KeyError, TypeError):
        pass
    raise UsageError(
        f"{place}: is {shown(line)}, but it must be an object with strings as _id and text, such as"
        ' {"_id": "1", "text": "..."}'
    )
