"""The texts that every export is tried on: questions and passages that answer them, in `texts.jsonl`.

Written for this purpose: short, medium and long, mostly English, some in other languages and scripts.
"""

import json
from itertools import islice
from pathlib import Path

_QUERIES = 24
_PASSAGES_A_QUERY = 5


def questions_and_passages() -> list[tuple[str, str]]:
    """Return every question with the passage that answers it."""
    lines = Path(__file__).with_name("texts.jsonl").read_text(encoding="utf-8").splitlines()
    return [(entry["query"], entry["text"]) for entry in map(json.loads, lines)]


def pairs() -> list[tuple[str, str]]:
    """Return pairs for a reranker: some of the questions, each beside its answer and beside other passages."""
    found = questions_and_passages()
    chosen = islice(enumerate(found), 0, None, len(found) // _QUERIES)
    return [
        (query, found[(place + step) % len(found)][1])
        for place, (query, _) in chosen
        for step in range(_PASSAGES_A_QUERY)
    ]
