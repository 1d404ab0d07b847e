"""Every rule on documents and their ids, held to before anything runs; see `request_checks.py`.

An upsert names a document by its place in the request (`documents[3].text`), and an ingest, which refuses each by
itself, the field alone (`text`).
"""

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InvalidRequest, shown
from shortlist.server.storage.document import Document
from shortlist.server.storage.filters import Filter

from . import rules
from .limits import (
    MAX_ID_BYTES,
    MAX_METADATA_BYTES,
    MAX_METADATA_LEVELS,
    MAX_SOURCE_BYTES,
    MAX_TITLE_BYTES,
    Limits,
)


def upsert(limits: Limits, documents: Sequence[Document]) -> None:
    """Check documents to store, all of them or none."""
    rules.batch(limits, "documents", len(documents))
    seen: dict[str, int] = {}
    for index, one in enumerate(documents):
        _new_identifier(seen, index, one.id)
        document(limits, one, f"documents[{index}].")


def document(limits: Limits, given: Document, path: str = "") -> None:
    """Check a document to store; `path` is what stands before the names of its fields."""
    _identifier(f"{path}id", given.id)
    rules.text(limits, f"{path}text", given.text)
    rules.size(f"{path}title", given.title, MAX_TITLE_BYTES, "shorten it, or move it into the text")
    _metadata(f"{path}metadata", given.metadata)
    rules.size(f"{path}source", given.source, MAX_SOURCE_BYTES, "use a shorter name, such as a hash of this one")


def vector(given: NDArray[np.float32], dimensions: int, path: str = "") -> None:
    """Check the vector that a document brings: float32 [dimensions]."""
    field = f"{path}vector"
    if len(given) != dimensions:
        limit = f"those of this server's embedder have {dimensions}"
        raise InvalidRequest(field, f"{len(given)} numbers", limit, "make it by that embedder, or leave it out")
    finite = np.isfinite(given)
    if not finite.all():
        place = int(finite.argmin())
        remedy = "make the vector again, or leave it out"
        raise InvalidRequest(f"{field}[{place}]", float(given[place]), "it must be finite", remedy)


def metadata(limits: Limits, given: Sequence[tuple[str, str]]) -> None:
    """Check ids and their metadata to set."""
    rules.batch(limits, "documents", len(given))
    seen: dict[str, int] = {}
    for index, (identifier, text) in enumerate(given):
        _new_identifier(seen, index, identifier)
        _identifier(f"documents[{index}].id", identifier)
        _metadata(f"documents[{index}].metadata", text)


def ids(limits: Limits, values: Sequence[str]) -> None:
    """Check the ids of documents to get or delete."""
    rules.batch(limits, "ids", len(values))
    for index, value in enumerate(values):
        _identifier(f"ids[{index}]", value)


def deleted(limits: Limits, values: Sequence[str], where: Filter | None) -> None:
    """Check which documents to delete: those of some ids, or those that match."""
    if where is None:
        ids(limits, values)
        return
    if values:
        raise InvalidRequest("ids", list(values), "with a filter there are none", "send ids, or where")


def _new_identifier(seen: dict[str, int], index: int, value: str) -> None:
    """Check that an id of several has not come before, and note it."""
    first = seen.setdefault(value, index)
    if first != index:
        limit = f"documents[{first}] has the same id"
        raise InvalidRequest(f"documents[{index}].id", value, limit, "send each id once a call")


def _identifier(field: str, value: str) -> None:
    if not value:
        raise InvalidRequest(field, value, "an id must not be empty", "give each document an id of its own")
    if "\0" in value:
        raise InvalidRequest(field, value, "an id must not hold a NUL character", "take it out of the id")
    rules.size(field, value, MAX_ID_BYTES, "use a shorter id, such as a hash of this one")


def _metadata(field: str, text: str) -> None:
    """Check metadata, a JSON text in which Python's NaN and Infinity may stand; few are parsed for it."""
    rules.size(field, text, MAX_METADATA_BYTES, "keep large values elsewhere")
    may_nest = text.count("{") + text.count("[") > MAX_METADATA_LEVELS
    if may_nest and (levels := _levels(json.loads(text))) > MAX_METADATA_LEVELS:
        limit = f"it nests {MAX_METADATA_LEVELS} levels deep at most"
        raise InvalidRequest(field, f"{levels} levels", limit, "flatten it")
    if "NaN" in text or "Infinity" in text:
        for name, number in _no_numbers(field, json.loads(text)):
            remedy = "leave such values out, or send them as text"
            raise InvalidRequest(name, number, "JSON has finite numbers only", remedy)


def _levels(value: object) -> int:
    """Return how deep objects and lists nest."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(_levels, inner), default=0)
    return 0


def _no_numbers(name: str, value: object) -> Iterator[tuple[str, float]]:
    """Yield name and value of every number that is not finite."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _no_numbers(f"{name}[{shown(key)}]", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _no_numbers(f"{name}[{index}]", inner)
    elif isinstance(value, float) and not math.isfinite(value):
        yield name, value
