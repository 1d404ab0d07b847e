"""The texts that variants are calibrated and judged on: the user's own, else those that ship.

    those that ship   `texts/`: four passages a topic, each of which answers its own query
    a user's file     {"query", "positive", "negatives"}, {"query", "passages"} or {"text"} a line; or plain text

Every second entry calibrates, the others judge: no variant is judged on what it was fitted to.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.server.runtime.manifest import Kind
from shortlist.texts import shipped
from shortlist.texts.shipped import TOPIC

from . import figures
from .errors import ExportError
from .layout import AS

BUNDLED = "the texts that ship"
_PASSAGES = 10  # beside a query of the texts that ship: its own, three of its topic, others
_LEAST_TEXTS = 24  # for ten nearest neighbours to be a choice, twice
_LEAST_LISTS = 8
_MOST_ENTRIES = 2000  # of a user's file; the rest would make it a matter of hours


@dataclass(frozen=True, slots=True)
class Asked:
    """A query beside passages; `grades` is empty where nobody judged them."""

    query: str
    passages: tuple[str, ...]
    grades: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Judging:
    """The texts that one export is judged on."""

    name: str
    lists: tuple[Asked, ...]
    texts: tuple[str, ...] = ()  # that no query was given for

    def halves(self) -> tuple["Judging", "Judging"]:
        """Return what calibrates and what judges."""
        return (
            Judging(self.name, self.lists[::2], self.texts[::2]),
            Judging(self.name, self.lists[1::2], self.texts[1::2]),
        )

    def narrowed(self, passages: int) -> "Judging":
        """Return the same with at most so many passages beside a query, its first ones."""
        lists = (Asked(asked.query, asked.passages[:passages], asked.grades[:passages]) for asked in self.lists)
        return Judging(self.name, tuple(lists), self.texts)

    def ndcg(self, scores: NDArray[np.floating[Any]]) -> float:
        """Return the mean nDCG@10 of the judged queries, each ordering all documents.

        Args:
            scores: [queries, documents], in the order of `lists` and of `documents`.
        """
        places = {text: place for place, text in enumerate(self.documents())}
        values = []
        for asked, row in zip(self.lists, scores, strict=True):
            if any(asked.grades):
                grades = [0] * len(places)
                for passage, grade in zip(asked.passages, asked.grades, strict=True):
                    grades[places[passage]] = grade
                values.append(figures.ndcg_by(np.asarray(row, np.float32), grades))
        return fmean(values)

    def documents(self) -> tuple[str, ...]:
        """Return every passage and text once."""
        passages = (passage for asked in self.lists for passage in asked.passages)
        return tuple(dict.fromkeys([*passages, *self.texts]))


def bundled() -> Judging:
    """Return the texts that ship; every second topic calibrates, so that the halves share no passage either."""
    entries = shipped.entries()
    texts = [entry.text for entry in entries]
    pair = 2 * TOPIC  # one topic of each half
    lists = []
    # The first entries of two topics, then their second ones, and so on: of neighbours one is in each half.
    for place in sorted(range(len(entries)), key=lambda place: (place // pair, place % TOPIC, place // TOPIC)):
        start = place - place % TOPIC
        near = [texts[other] for other in range(start, start + TOPIC) if other != place]
        far = [texts[(place + pair * step) % len(texts)] for step in range(1, _PASSAGES)]
        passages = (texts[place], *near, *far)[:_PASSAGES]
        lists.append(Asked(entries[place].query, passages, (1, *[0] * (len(passages) - 1))))
    return Judging(BUNDLED, tuple(lists))


def read(path: Path, kind: Kind) -> Judging:
    """Read a user's file.

    Raises:
        ExportError: it is missing, empty, not text, malformed, or too little for this kind of model.
    """
    try:
        content = path.read_bytes()
        # Not splitlines: JSON may hold U+2028 and the like within a line. A mark at the start is no text (utf-8-sig).
        lines = [line for line in re.split(r"[\r\n]", content.decode("utf-8-sig")) if line.strip()]
    except OSError as error:
        raise ExportError(f"calibration {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ExportError(f"calibration {path} is not text in UTF-8 (byte {error.start})") from error
    if not lines:
        raise ExportError(f"calibration {path} is empty; leave it out to use {BUNDLED}")
    if any("\0" in line for line in lines):
        raise ExportError(f"calibration {path} is not text: it holds NUL bytes")
    found = list(dict.fromkeys(_parsed(path, lines[:_MOST_ENTRIES])))  # once each, else it would be in both halves
    name = f"{path.name} ({hashlib.sha256(content).hexdigest()[:12]})"
    judging = Judging(
        name,
        tuple(entry for entry in found if isinstance(entry, Asked)),
        tuple(entry for entry in found if isinstance(entry, str)),
    )
    _check(path, judging, kind)
    return judging


def _check(path: Path, judging: Judging, kind: Kind) -> None:
    if kind != "embedder" and len(judging.lists) < _LEAST_LISTS:
        raise ExportError(
            f"calibration {path} has {len(judging.lists)} queries beside two passages or more, but {AS[kind]} needs"
            f' {_LEAST_LISTS}: lines such as {{"query": "...", "positive": "...", "negatives": ["..."]}}'
        )
    if kind == "embedder" and len(judging.documents()) < _LEAST_TEXTS:
        raise ExportError(
            f"calibration {path} has {len(judging.documents())} different texts, but an embedder needs {_LEAST_TEXTS}"
        )
    calibrating, judges = (len(half.documents()) for half in judging.halves())
    if kind == "embedder" and min(calibrating, judges) < _LEAST_TEXTS // 2:
        raise ExportError(
            f"calibration {path} gives {calibrating} texts to calibrate on and {judges} to judge on, but an embedder"
            f" needs {_LEAST_TEXTS // 2} of each: every second line judges, so spread the texts over more lines"
        )


def _parsed(path: Path, lines: Sequence[str]) -> list[Asked | str]:
    if not lines[0].lstrip().startswith("{"):
        return [line.strip() for line in lines]
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(_entry(json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise ExportError(
                f"calibration {path}, entry {number}: {error}; a line is"
                ' {"query", "positive", "negatives"}, {"query", "passages"} or {"text"}'
            ) from error
    return found


def _entry(raw: Any) -> Asked | str:
    if not isinstance(raw, dict):
        raise TypeError(f"{type(raw).__name__} is no object")
    if "query" not in raw:
        return _text(raw.get("text"), "text")
    query = _text(raw["query"], "query")
    if "passages" in raw:
        passages = tuple(dict.fromkeys(_texts(raw["passages"], "passages")))
        grades: tuple[int, ...] = ()
    else:
        positive = dict.fromkeys(_texts(raw.get("positive"), "positive"), 1)
        graded = dict.fromkeys(_texts(raw.get("negatives") or [], "negatives", least=0), 0) | positive
        passages = tuple(sorted(graded, key=lambda passage: -graded[passage]))
        grades = tuple(graded[passage] for passage in passages)
    if len(passages) < 2:  # noqa: PLR2004 (an order needs two)
        raise ValueError(f"{len(passages)} passages beside the query, but an order needs two")
    return Asked(query, passages, grades)


def _texts(value: object, name: str, least: int = 1) -> list[str]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) < least:
        raise ValueError(f"{name} is {value!r}, but a text or a list of texts is needed")
    return [_text(one, name) for one in found]


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}, but a text is needed")
    value.encode()  # raises where half of an escaped character is missing, which no tokenizer takes
    return value
