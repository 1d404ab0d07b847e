"""Judged queries from files, checked whole before anything is trained.

Two layouts: BEIR's three files, and JSON lines of `query`, `positive` (a text or several) and `negatives`. What
cannot be trained with is refused by name.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import FinetuneError
from .settings import FinetuneSettings


@dataclass(frozen=True, slots=True)
class Examples:
    """Queries, documents, and which of them belong together."""

    queries: dict[str, str]  # id -> text
    documents: dict[str, str]  # id -> title and text, as the server joins them
    relevant: dict[str, dict[str, int]]  # query id -> document id -> grade above 0
    negatives: dict[str, tuple[str, ...]] = field(default_factory=dict)  # query id -> ids that the data brings


def read(settings: FinetuneSettings) -> Examples:
    """Read the data that the settings name.

    Raises:
        FinetuneError: it is missing, malformed or cannot be trained with; the message names the line or the id.
    """
    if settings.pairs is not None:
        found = pairs(settings.pairs)
    else:
        paths = (settings.queries, settings.corpus, settings.qrels)
        queries, corpus, qrels = (path for path in paths if path is not None)
        found = beir(queries, corpus, qrels)
    if len(found.queries) <= settings.held_out:
        raise FinetuneError(
            f"there are {len(found.queries)} queries and held_out is {settings.held_out}: none is left to train on;"
            " lower held_out or bring more queries"
        )
    if len(found.documents) < settings.passages:
        raise FinetuneError(
            f"there are {len(found.documents)} documents and a list takes {settings.passages} passages;"
            " lower passages or bring more documents"
        )
    return found


def beir(queries: Path, corpus: Path, qrels: Path) -> Examples:
    """Read a collection as BEIR lays it out.

    Raises:
        FinetuneError: an empty corpus, a judgement of something unknown, a query without a positive.
    """
    documents = read_corpus(corpus)
    texts = {_text(entry, "_id", place): _text(entry, "text", place) for place, entry in _lines(queries)}
    relevant: dict[str, dict[str, int]] = {name: {} for name in texts}
    for place, query, document, grade in _judgements(qrels):
        if query not in texts:
            raise FinetuneError(f"{place}: query {query!r} is not in {queries}")
        if document not in documents:
            raise FinetuneError(f"{place}: document {document!r} is not in {corpus}")
        if grade > 0:
            relevant[query][document] = grade
    for query, found in relevant.items():
        if not found:
            raise FinetuneError(f"query {query!r} has no relevant document in {qrels}; judge one or leave it out")
    return Examples(texts, documents, relevant)


def read_corpus(path: Path) -> dict[str, str]:
    """Return the texts of a corpus by document id.

    Raises:
        FinetuneError: it is empty or malformed.
    """
    documents = {_text(entry, "_id", place): _joined(entry, place) for place, entry in _lines(path)}
    if not documents:
        raise FinetuneError(f"corpus {path} is empty; name a file with one document a line")
    return documents


def pairs(path: Path) -> Examples:
    """Read JSON lines of `query`, `positive` and `negatives`; the same text is one document wherever it stands.

    Raises:
        FinetuneError: a line lacks its query or its positive.
    """
    queries, relevant, negatives = {}, {}, {}
    names: dict[str, str] = {}  # text -> document id
    for number, (place, entry) in enumerate(_lines(path), start=1):
        query = str(number)
        positives = _texts(entry, "positive", place)
        if not positives:
            raise FinetuneError(f"{place}: the query has no positive; bring one, or leave the line out")
        queries[query] = _text(entry, "query", place)
        relevant[query] = {names.setdefault(text, str(len(names))): 1 for text in positives}
        negatives[query] = tuple(
            names.setdefault(text, str(len(names))) for text in _texts(entry, "negatives", place)
        )
    if not queries:
        raise FinetuneError(f"{path} is empty; name a file with one query a line")
    return Examples(queries, {name: text for text, name in names.items()}, relevant, negatives)


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each line's place, for messages, and what it holds."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    entry = json.loads(line)
                    if not isinstance(entry, dict):
                        raise FinetuneError(f"{path}:{number}: not a JSON object")
                    yield f"{path}:{number}", entry
    except OSError as error:
        raise FinetuneError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FinetuneError(f"{path}:{number}: not JSON ({error})") from error


def _judgements(path: Path) -> Iterator[tuple[str, str, str, int]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream, delimiter="\t"), start=2):
                try:
                    yield f"{path}:{number}", row["query-id"], row["corpus-id"], int(row["score"])
                except (KeyError, TypeError, ValueError) as error:
                    raise FinetuneError(
                        f"{path}:{number}: not a judgement; it takes query-id, corpus-id and a whole score,"
                        " with tabs between, under a header of these names"
                    ) from error
    except OSError as error:
        raise FinetuneError(f"{path} cannot be read: {error.strerror}") from error


def _joined(entry: dict[str, Any], place: str) -> str:
    # One of the two may be empty; collections that people use have such documents.
    parts = [str(entry.get(name) or "").strip() for name in ("title", "text")]
    if "text" not in entry:
        raise FinetuneError(f"{place}: the document has no text")
    return " ".join(part for part in parts if part)


def _text(entry: dict[str, Any], name: str, place: str) -> str:
    found = entry.get(name)
    if not isinstance(found, str) or not found.strip():
        raise FinetuneError(f"{place}: {name} is {found!r}, but it must be a text that is not empty")
    return found


def _texts(entry: dict[str, Any], name: str, place: str) -> list[str]:
    found = entry.get(name) or []
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise FinetuneError(f"{place}: {name} must be a text or a list of texts that are not empty")
    return texts
