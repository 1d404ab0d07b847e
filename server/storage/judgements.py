"""What people said of answers: which documents answer a question, in BEIR's layout, as `shortlist eval` reads it.

    judgements/
    └── COLLECTION/
        ├── queries.jsonl       {"_id": ..., "text": ...}, a line a question
        └── qrels.tsv           question, document, grade: 1 answers, 0 does not

The corpus is the collection itself. The files are the truth: they are read again for each change, so that they may be
edited by hand, and each is replaced whole. Questions are written first, so no judgement is without its question. They
stay when their collection is dropped: nothing can do that work again.

Methods block; callers use threads.
"""

import csv
import hashlib
import io
import json
import threading
import uuid
from pathlib import Path

from shortlist.server import durable
from shortlist.server.errors import InvalidRequest, StorageFailed

MOST = 100_000  # judgements of a collection: each change writes all of them
QUERIES, QRELS = "queries.jsonl", "qrels.tsv"
_COLUMNS = ("query-id", "corpus-id", "score")

Grades = dict[str, dict[str, int]]  # by question and document


class Judgements:
    """The judgements in one folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is made with the first judgement."""
        self._folder = folder
        self._changing = threading.Lock()

    def folder(self, collection: str) -> Path:
        """Return where the judgements of a collection are, or will be."""
        return (self._folder / collection).absolute()

    def read(self, collection: str) -> Grades:
        """Return the judgements of a collection.

        Raises:
            StorageFailed: a file cannot be read, or holds something else.
        """
        texts, rows = _read(self.folder(collection))
        found: Grades = {}
        for (name, document), grade in rows.items():
            if name in texts:
                found.setdefault(texts[name], {})[document] = grade
        return found

    def judge(self, collection: str, query: str, document: str, grade: int | None) -> int:
        """Set what is said of a document, or take it back with None; return how many judgements there are.

        Raises:
            InvalidRequest: there are as many as a collection may have.
            StorageFailed: the disk is full, or fails, or a file holds something else.
        """
        folder = self.folder(collection)
        with self._changing:
            texts, rows = _read(folder)
            name = next((one for one, text in texts.items() if text == query), _name(query))
            if grade is None:
                rows.pop((name, document), None)
            else:
                rows[name, document] = grade
            if len(rows) > MOST:
                remedy = f"move {folder} elsewhere to begin anew"
                raise InvalidRequest("judgements", len(rows), f"a collection has {MOST} at most", remedy)
            _write(folder, texts | {name: query}, rows)
        return len(rows)


def _name(query: str) -> str:
    """Return an id for a question."""
    return hashlib.sha256(query.encode()).hexdigest()[:16]


def _read(folder: Path) -> tuple[dict[str, str], dict[tuple[str, str], int]]:
    """Return the questions by id, and the grades by question's id and document."""
    try:
        with (folder / QUERIES).open(encoding="utf-8") as stream:
            entries = [json.loads(line) for line in stream if line.strip()]
        with (folder / QRELS).open(encoding="utf-8", newline="") as stream:
            judged = list(csv.DictReader(stream, delimiter="\t"))
        texts = {str(entry["_id"]): str(entry["text"]) for entry in entries}
        return texts, {(row["query-id"], row["corpus-id"]): int(row["score"]) for row in judged}
    except FileNotFoundError:
        return {}, {}
    except OSError as error:
        raise StorageFailed(f"the judgements in {folder} cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StorageFailed(
            f"{folder} holds no judgements: {QUERIES} has an object with _id and text a line, {QRELS} the columns"
            f" {', '.join(_COLUMNS)} with tabs between; mend or move them"
        ) from error


def _write(folder: Path, texts: dict[str, str], rows: dict[tuple[str, str], int]) -> None:
    lines = [json.dumps({"_id": name, "text": text}, ensure_ascii=False) + "\n" for name, text in texts.items()]
    table = io.StringIO(newline="")
    plain = csv.writer(table, delimiter="\t", lineterminator="\n")
    quoted = csv.writer(table, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(_COLUMNS)
    for (name, document), grade in rows.items():
        # Before Python 3.13 a carriage return is written without quotes, and ends the row when it is read.
        (quoted if "\r" in document else plain).writerow((name, document, grade))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, text in ((QUERIES, "".join(lines)), (QRELS, table.getvalue())):
            new = folder / f".new-{uuid.uuid4().hex}"
            try:
                new.write_text(text, encoding="utf-8", newline="")
                durable.put(new, folder / target)
            finally:
                new.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(f"the judgements in {folder} cannot be written: {error}; nothing was saved") from error
