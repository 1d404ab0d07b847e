"""Judged queries from files, checked whole before anything is trained.

Two layouts: BEIR's three files, and JSON lines of `query`, `positive` (a text or several) and `negatives`. What
cannot be trained with is refused by name.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import FinetuneError
from .settings import FinetuneSettings

_UNKNOWN = 0.01  # share of judgements that may name something unknown: published collections have a few


@dataclass(frozen=True, slots=True)
class Examples:
    """A set of queries, documents, and which of them belong together."""

    queries: dict[str, str]  # id -> text
    documents: dict[str, str]  # id -> title and text, as the server joins them
    relevant: dict[str, dict[str, int]]  # query id -> document id -> grade above 0
    negatives: dict[str, tuple[str, ...]] = field(default_factory=dict)  # query id -> ids that the data brings
    titles: dict[str, str] = field(default_factory=dict)  # document id -> title, where it has one
    kinds: dict[str, str] = field(default_factory=dict)  # query id -> the kind that its line names
    left_out: tuple[str, ...] = ()  # judgements of a query or document that is not there
    name: str = ""
    weight: float = 0.0  # of the set among others; 0 stands for its number of queries


def read(settings: FinetuneSettings) -> tuple[Examples, ...]:
    """Read the sets that the settings name.

    Raises:
        FinetuneError: one is missing, malformed or cannot be trained with; the message names the line or the id.
    """
    sets = [_weighted(given, folder) for given in settings.sets] + [
        _weighted(given, pairs) for given in settings.pairs
    ]
    if not sets:
        raise FinetuneError("there is no data; name a folder with --sets, or a file with --pairs")
    names = [one.name for one in sets]
    if len(set(names)) < len(names):
        raise FinetuneError(f"two of the sets have one name ({', '.join(names)}); give their folders other names")
    for one in sets:
        held_out = held_out_of(settings, sets)
        if len(one.queries) <= held_out:
            raise FinetuneError(
                f"{one.name} has {len(one.queries)} queries, and {held_out} of them are held out: none is left to"
                " train on; lower held_out or bring more queries"
            )
        if len(one.documents) < settings.passages:
            raise FinetuneError(
                f"{one.name} has {len(one.documents)} documents, and a list takes {settings.passages} passages;"
                " lower passages or bring more documents"
            )
    return tuple(sets)


def held_out_of(settings: FinetuneSettings, sets: Sequence[Examples]) -> int:
    """Return how many queries of each set are kept from training."""
    return max(1, settings.held_out // len(sets))


def _weighted(given: str, read_one: Callable[[Path], Examples]) -> Examples:
    """Read a set, and the weight behind its path: `squad-train=0.5`."""
    path, sign, weight = given.rpartition("=")
    try:
        number = float(weight) if sign else 0.0
    except ValueError:
        number = -1.0
    if sign and not 0 < number < math.inf:
        raise FinetuneError(f"{given!r}: the weight behind = must be a number above 0, such as {path}=0.5")
    target = Path(path if sign else given)
    return replace(read_one(target), name=target.resolve().stem, weight=number)


def folder(path: Path) -> Examples:
    """Read a collection as BEIR lays it out: queries.jsonl, corpus.jsonl, and qrels.tsv or qrels/train.tsv.

    Raises:
        FinetuneError: as `beir`.
    """
    qrels = path / "qrels.tsv"
    return beir(
        path / "queries.jsonl", path / "corpus.jsonl", qrels if qrels.exists() else path / "qrels" / "train.tsv"
    )


def beir(queries: Path, corpus: Path, qrels: Path) -> Examples:
    """Read a collection's three files; a query's line may name its `kind`.

    Queries without a relevant document are left out, as BEIR has those of other splits in one file.

    Raises:
        FinetuneError: an empty corpus, more than a hundredth of the judgements of something unknown, no query with a
            relevant document.
    """
    documents, titles = read_corpus(corpus)
    texts, kinds = {}, {}
    for place, entry in _lines(queries):
        name = _text(entry, "_id", place)
        texts[name] = _text(entry, "text", place)
        kinds[name] = str(entry.get("kind") or "")
    relevant: dict[str, dict[str, int]] = {}
    unknown, judgements = [], list(_judgements(qrels))
    for place, query, document, grade in judgements:
        if query not in texts:
            unknown.append(f"{place}: query {query!r} is not in {queries}")
        elif document not in documents:
            unknown.append(f"{place}: document {document!r} is not in {corpus}")
        elif grade > 0:
            relevant.setdefault(query, {})[document] = grade
    if len(unknown) > _UNKNOWN * len(judgements):
        raise FinetuneError(f"{unknown[0]}; of {len(judgements)} judgements {len(unknown)} are such")
    if not relevant:
        raise FinetuneError(f"{qrels} judges no document relevant; there is nothing to learn from")
    judged = {name: text for name, text in texts.items() if name in relevant}
    return Examples(judged, documents, relevant, titles=titles, kinds=kinds, left_out=tuple(unknown))


def read_corpus(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts of a corpus by document id, and the titles of those that have one.

    Raises:
        FinetuneError: it is empty or malformed.
    """
    documents, titles = {}, {}
    for place, entry in _lines(path):
        name = _text(entry, "_id", place)
        documents[name] = _joined(entry, place)
        if title := str(entry.get("title") or "").strip():
            titles[name] = title
    if not documents:
        raise FinetuneError(f"corpus {path} is empty; name a file with one document a line")
    return documents, titles


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
