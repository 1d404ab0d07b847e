"""Queries and the passages that answer them, in `topics.jsonl`: four passages a topic, one after the other."""

import json
from dataclasses import dataclass
from pathlib import Path

TOPIC = 4  # entries that stand together


@dataclass(frozen=True, slots=True)
class Entry:
    """A query and the passage that answers it; the other passages of its topic do not."""

    topic: str
    query: str
    text: str


def entries() -> tuple[Entry, ...]:
    """Return all of them, topic by topic."""
    lines = Path(__file__).with_name("topics.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Entry(**json.loads(line)) for line in lines)
