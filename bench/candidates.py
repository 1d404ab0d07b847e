"""Candidate lists on disk, as TREC DL baselines publish them.

A JSON array of objects with `query` and `hits`, best first; each hit has `content`, and where it is judged `qid` and
`docid`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shortlist.console.errors import UsageError


@dataclass(frozen=True, slots=True)
class Candidates:
    """One query and its list of passages, best first."""

    query: str
    texts: tuple[str, ...]
    ids: tuple[str, ...] = ()  # of the passages; empty strings where the file has none
    name: str = ""  # the query's id; empty where the file has none
    grades: Mapping[str, int] = field(default_factory=dict)  # of the passages that are relevant, where it is judged


def read(path: Path) -> list[Candidates]:
    """Read the lists that have passages.

    Raises:
        UsageError: the file cannot be read, or is something else.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [_listed(entry) for entry in entries if entry["hits"]]
    except OSError as error:
        raise UsageError(f"candidates {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"candidates {path} is no file of candidate lists ({type(error).__name__}: {error});"
            ' it must be a JSON array of {"query": "...", "hits": [{"content": "..."}, ...]}'
        ) from None


def _listed(entry: dict[str, Any]) -> Candidates:
    hits = entry["hits"]
    texts = tuple(hit["content"] for hit in hits)
    if not all(isinstance(text, str) for text in (entry["query"], *texts)):
        raise TypeError("query and content must be strings")
    ids = tuple(str(hit.get("docid", "")) for hit in hits)
    return Candidates(entry["query"], texts, ids, str(hits[0].get("qid", "")))
